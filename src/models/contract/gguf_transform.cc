#include "models/contract/gguf_transform.h"

#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

// Vectors of blocks, which no converter writes, cannot be cut at elements.
void check_whole_rows(const WeightInfo& info, const WeightTable& table) {
  if (!info.type.is_block() || info.shape.size() > 1) return;
  fail(ErrorCode::kUnsupported, kWhere, "{}: tensor '{}': expected a vector of floats, found {}",
       table.origin(), info.name, info.type.name());
}

size_t bytes_of_row(const WeightInfo& info) {
  return static_cast<size_t>(info.type.bytes(element_count(info.shape) / info.shape[0]));
}

WeightInfo unpermuted(const WeightInfo& stored, WeightTable& keep, int64_t heads) {
  check_whole_rows(stored, keep);
  const int64_t rows = stored.shape[0];
  CHECK_EQ(rows % (2 * heads), 0);
  const int64_t head_rows = rows / heads;
  const size_t bytes = bytes_of_row(stored);
  std::vector<std::byte> out(stored.bytes.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / head_rows;
    const int64_t j = row % head_rows / (head_rows / 2);
    const int64_t i = row % (head_rows / 2);
    const int64_t from = head * head_rows + 2 * i + j;
    std::memcpy(out.data() + static_cast<size_t>(row) * bytes,
                stored.bytes.data() + static_cast<size_t>(from) * bytes, bytes);
  }
  WeightInfo info = stored;
  info.bytes = keep.keep_aligned(out);
  return info;
}

WeightInfo mapped(const WeightInfo& stored, WeightTable& keep, float (*f)(float)) {
  const TensorView from{stored.type, stored.shape, const_cast<std::byte*>(stored.bytes.data())};
  std::vector<float> values(static_cast<size_t>(stored.elements()));
  for (int64_t r = 0; r < from.rows(); ++r) {
    load_row(from, r, 0, from.columns(), values.data() + r * from.columns());
  }
  for (float& value : values) value = f(value);
  WeightInfo info = stored;
  info.type = DType::kFloat32;
  info.bytes = keep.keep_aligned(std::as_bytes(std::span(values)));
  return info;
}

WeightInfo transposed(const WeightInfo& stored, WeightTable& keep) {
  if (stored.type.is_block()) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: tensor '{}': expected floats, which can be transposed, found {}", keep.origin(),
         stored.name, stored.type.name());
  }
  const auto rows = static_cast<size_t>(stored.shape[0]);
  const auto columns = static_cast<size_t>(stored.shape[1]);
  const auto size = static_cast<size_t>(stored.type.bytes(1));
  std::vector<std::byte> out(stored.bytes.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      std::memcpy(out.data() + (c * rows + r) * size,
                  stored.bytes.data() + (r * columns + c) * size, size);
    }
  }
  WeightInfo info = stored;
  info.shape = {stored.shape[1], stored.shape[0]};
  info.bytes = keep.keep_aligned(out);
  return info;
}

}  // namespace

GgufTransform unpermute_heads(int64_t heads) {
  if (heads == 0) return {};
  return {[heads](const WeightInfo& stored, WeightTable& keep) {
            return unpermuted(stored, keep, heads);
          },
          {}};
}

GgufTransform map_elements(float (*f)(float)) {
  return {[f](const WeightInfo& stored, WeightTable& keep) { return mapped(stored, keep, f); }, {}};
}

GgufTransform transpose_matrix(int64_t rows, int64_t columns) {
  return {&transposed, {columns, rows}};
}

GgufTransform take_rows(int64_t first, int64_t count, Shape whole) {
  CHECK(first >= 0 && count >= 0 && !whole.empty() && first + count <= whole[0]);
  return {[first, count](const WeightInfo& stored, WeightTable& keep) {
            check_whole_rows(stored, keep);
            const size_t bytes = bytes_of_row(stored);
            WeightInfo info = stored;
            info.shape[0] = count;
            info.bytes = stored.bytes.subspan(static_cast<size_t>(first) * bytes,
                                              static_cast<size_t>(count) * bytes);
            return info;
          },
          std::move(whole)};
}

}  // namespace ingot
