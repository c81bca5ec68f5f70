// Inputs of the operators that work on a paged KV cache.
#pragma once

#include "tests/ops/harness.h"

namespace ingot::test {

// Sequences in one batch: the first `past` tokens of each are in the cache already, the next
// `fresh` are this step's tokens.
struct PagedSequence {
  int64_t past;
  int64_t fresh;
};

class PagedBatch {
 public:
  static constexpr int64_t kPage = 32;

  explicit PagedBatch(std::vector<PagedSequence> sequences) : sequences_(std::move(sequences)) {
    for (const PagedSequence& s : sequences_) {
      blocks_ = std::max(blocks_, (s.past + s.fresh + kPage - 1) / kPage);
      tokens_ += s.fresh;
    }
  }
  int64_t rows() const { return static_cast<int64_t>(sequences_.size()); }
  int64_t token_count() const { return tokens_; }
  SymbolValues symbols() const { return {{"tokens", tokens_}, {"batch", rows()}}; }

  CaseInput positions() const {
    CaseInput out = per_token();
    for (const PagedSequence& s : sequences_) {
      for (int64_t i = 0; i < s.fresh; ++i) out.values.push_back(s.past + i);
    }
    return out;
  }
  CaseInput token_rows() const {
    CaseInput out = per_token();
    for (int64_t b = 0; b < rows(); ++b) {
      for (int64_t i = 0; i < sequences_[static_cast<size_t>(b)].fresh; ++i) {
        out.values.push_back(b);
      }
    }
    return out;
  }
  static CaseInput query_offsets(int64_t token_rows_input) {
    return {.type = DType::kInt32,
            .shape = {batch() + 1},
            .fill = Fill::kQueryOffsets,
            .low = token_rows_input};
  }
  CaseInput context_lengths() const {
    CaseInput out = {.type = DType::kInt32, .shape = {batch()}, .fill = Fill::kValues};
    for (const PagedSequence& s : sequences_) out.values.push_back(s.past + s.fresh);
    return out;
  }
  // Pages in scattered order, none shared.
  CaseInput block_tables() const {
    CaseInput out = {.type = DType::kInt32, .shape = {batch(), blocks_}, .fill = Fill::kValues};
    const int64_t total = rows() * blocks_;
    for (int64_t i = 0; i < total; ++i) out.values.push_back((i * 7 + 3) % pages());
    return out;
  }
  CaseInput cache(const ElementType& type, int64_t kv_heads, int64_t head_dim) const {
    return {.type = type, .shape = {pages(), kv_heads, kPage, head_dim}, .state = true};
  }

 private:
  // At least one page per table entry and no factor of 7, so that block_tables is a permutation.
  int64_t pages() const {
    const int64_t total = rows() * blocks_;
    return total % 7 == 0 ? total + 1 : total;
  }
  static CaseInput per_token() {
    return {.type = DType::kInt32, .shape = {tokens()}, .fill = Fill::kValues};
  }
  std::vector<PagedSequence> sequences_;
  int64_t blocks_ = 1;
  int64_t tokens_ = 0;
};

}  // namespace ingot::test
