// Borrowed, typed memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/element_type.h"
#include "tensor/shape.h"

namespace ingot {

// A dense, row-major view. Rows (all dimensions but the last) may be spaced wider than their
// length: `row_stride` bytes from one row to the next, 0 meaning "packed". Owns nothing; the memory
// is on the device of whoever made the view. data is null for an absent optional input.
struct TensorView {
  ElementType type;
  Shape shape;
  std::byte* data = nullptr;
  int64_t row_stride = 0;

  bool present() const { return data != nullptr; }
  int64_t elements() const { return element_count(shape); }
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return columns() == 0 ? 0 : elements() / columns(); }
  int64_t row_bytes() const { return row_stride ? row_stride : type.bytes(columns()); }
  std::byte* row(int64_t index) const { return data + index * row_bytes(); }
  bool is_packed() const { return row_stride == 0 || row_stride == type.bytes(columns()); }
  int64_t bytes() const { return type.bytes(columns()) * rows(); }
  // From data to the end of the last row, gaps between rows included.
  int64_t extent() const {
    return rows() == 0 ? 0 : (rows() - 1) * row_bytes() + type.bytes(columns());
  }

  // Unchecked typed access for kernels that have verified the type.
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  template <typename T>
  T* row_as(int64_t index) const {
    return reinterpret_cast<T*>(row(index));
  }
};

// Reads `count` elements starting at column `begin` of row `row` as float32, decoding any type.
// For block formats begin must lie on a block edge; a partial last block is handled.
void load_row(const TensorView& view, int64_t row, int64_t begin, int64_t count, float* dst);
// Writes float32 values with round to nearest even. CHECKs that the type is a scalar.
void store_row(const TensorView& view, int64_t row, int64_t begin, int64_t count, const float* src);
// Same with 64-bit integers, for integer and bool types.
int64_t load_index(const TensorView& view, int64_t element);
void store_index(const TensorView& view, int64_t element, int64_t value);
// Single element in row-major order as double; scalar types only, packed views only.
double load_element(const TensorView& view, int64_t element);
void store_element(const TensorView& view, int64_t element, double value);

}  // namespace ingot
