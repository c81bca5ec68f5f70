#include "tensor/tensor_view.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace ingot {
namespace {

void load_blocks(const BlockFormat& format, const std::byte* row, int64_t begin, int64_t count,
                 float* dst) {
  CHECK_EQ(begin % format.block_elements, 0);
  const std::byte* src = row + begin / format.block_elements * format.block_bytes;
  const int64_t whole = count / format.block_elements;
  format.decode(src, whole, dst);
  const int64_t rest = count - whole * format.block_elements;
  if (rest == 0) return;
  std::vector<float> block(static_cast<size_t>(format.block_elements));
  format.decode(src + whole * format.block_bytes, 1, block.data());
  std::copy_n(block.data(), rest, dst + whole * format.block_elements);
}

}  // namespace

void load_row(const TensorView& view, int64_t row, int64_t begin, int64_t count, float* dst) {
  const std::byte* src = view.row(row);
  const DType dtype = view.type.dtype;
  if (view.type.block) return load_blocks(*view.type.block, src, begin, count, dst);
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  src += begin * size;
  if (dtype == DType::kFloat32) {
    std::memcpy(dst, src, static_cast<size_t>(count) * sizeof(float));
  } else if (dtype == DType::kBFloat16) {
    const auto* bits = reinterpret_cast<const uint16_t*>(src);
    for (int64_t i = 0; i < count; ++i) dst[i] = bf16_to_f32(bits[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) {
      dst[i] = static_cast<float>(load_scalar(dtype, src + i * size));
    }
  }
}

void store_row(const TensorView& view, int64_t row, int64_t begin, int64_t count,
               const float* src) {
  const DType dtype = view.type.dtype;
  CHECK_MSG(!view.type.is_block(), "cannot store into {}", view.type.name());
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  std::byte* dst = view.row(row) + begin * size;
  if (dtype == DType::kFloat32) {
    std::memcpy(dst, src, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i) store_scalar(dtype, dst + i * size, src[i]);
}

int64_t load_index(const TensorView& view, int64_t element) {
  const auto size = static_cast<int64_t>(dtype_size(view.type.dtype));
  return load_int(view.type.dtype, view.data + element * size);
}
void store_index(const TensorView& view, int64_t element, int64_t value) {
  const auto size = static_cast<int64_t>(dtype_size(view.type.dtype));
  store_int(view.type.dtype, view.data + element * size, value);
}
double load_element(const TensorView& view, int64_t element) {
  const auto size = static_cast<int64_t>(dtype_size(view.type.dtype));
  return load_scalar(view.type.dtype, view.data + element * size);
}
void store_element(const TensorView& view, int64_t element, double value) {
  const auto size = static_cast<int64_t>(dtype_size(view.type.dtype));
  store_scalar(view.type.dtype, view.data + element * size, value);
}

}  // namespace ingot
