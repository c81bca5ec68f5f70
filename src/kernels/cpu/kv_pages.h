// Addresses inside a paged KV cache [page][kv head][token in page][dim].
#pragma once

#include <cstring>

#include "base/error.h"
#include "tensor/tensor_view.h"

namespace ingot::cpu {

class KvPages {
 public:
  KvPages(const TensorView& cache, const TensorView& tables)
      : cache_(&cache),
        tables_(&tables),
        slot_bytes_(cache.type.bytes(cache.shape[3])),
        head_bytes_(slot_bytes_ * cache.shape[2]),
        page_bytes_(head_bytes_ * cache.shape[1]) {
    if (cache.shape[2] < 1) {
      fail(ErrorCode::kInvalidArgument, "kernels/kv_pages", "expected pages with tokens, found {}",
           cache.shape[2]);
    }
  }
  int64_t heads() const { return cache_->shape[1]; }
  int64_t page_tokens() const { return cache_->shape[2]; }
  const ElementType& type() const { return cache_->type; }
  void check_row(int64_t row) const {
    if (row < 0 || row >= tables_->shape[0]) bad("batch row", tables_->shape[0], row);
  }
  // First token of page number `block` of batch row `row`, for one head. The numbers are data of
  // the step: Error{kInvalidArgument} when one lies outside.
  std::byte* page(int64_t row, int64_t block, int64_t head) const {
    check_row(row);
    if (block < 0 || block >= tables_->shape[1]) bad("block", tables_->shape[1], block);
    const int64_t page = load_index(*tables_, row * tables_->shape[1] + block);
    if (page < 0 || page >= cache_->shape[0]) bad("page", cache_->shape[0], page);
    return cache_->data + page * page_bytes_ + head * head_bytes_;
  }
  std::byte* slot(int64_t row, int64_t position, int64_t head) const {
    if (position < 0) bad("position", tables_->shape[1] * page_tokens(), position);
    return page(row, position / page_tokens(), head) + position % page_tokens() * slot_bytes_;
  }

 private:
  [[noreturn]] static void bad(std::string_view what, int64_t count, int64_t found) {
    fail(ErrorCode::kInvalidArgument, "kernels/kv_pages", "expected {} 0 to {}, found {}", what,
         count - 1, found);
  }

  const TensorView* cache_;
  const TensorView* tables_;
  int64_t slot_bytes_;
  int64_t head_bytes_;
  int64_t page_bytes_;
};

// Copies n elements, converting through float32 when the types differ.
inline void copy_elements(const ElementType& from, const std::byte* src, const ElementType& to,
                          std::byte* dst, int64_t n) {
  if (from == to) {
    std::memcpy(dst, src, static_cast<size_t>(from.bytes(n)));
    return;
  }
  constexpr int64_t kChunk = 256;
  float values[kChunk];
  const TensorView source{from, {1, n}, const_cast<std::byte*>(src)};
  const TensorView target{to, {1, n}, dst};
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    load_row(source, 0, i, count, values);
    store_row(target, 0, i, count, values);
  }
}

}  // namespace ingot::cpu
