// Typed access to single elements for plain references: every scalar dtype is computed in one of
// three wide types, so that a reference is written once. Floats compute in double (rounded once on
// the store), integers and bool in int64_t, uint64 in uint64_t.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tensor/tensor_view.h"

namespace ingot::ops {

// Calls f(T{}) with the compute type of `dtype`.
template <typename F>
decltype(auto) with_compute_type(DType dtype, F&& f) {
  if (is_float(dtype)) return f(double{});
  if (dtype == DType::kUInt64) return f(uint64_t{});
  return f(int64_t{});
}

// Reads and writes elements of a scalar view by row-major index; rows may be strided.
template <typename T>
class Elements {
 public:
  explicit Elements(const TensorView& view)
      : dtype_(view.type.dtype),
        size_(static_cast<int64_t>(dtype_size(view.type.dtype))),
        data_(view.data),
        columns_(view.is_packed() ? 0 : view.columns()),
        row_bytes_(view.row_bytes()) {
    CHECK_MSG(!view.type.is_block(), "reference needs scalar elements, got {}", view.type.name());
  }
  T get(int64_t index) const {
    const std::byte* at = address(index);
    if constexpr (std::is_floating_point_v<T>) {
      if (dtype_ == DType::kUInt64) {
        return static_cast<T>(static_cast<uint64_t>(load_int(dtype_, at)));
      }
      return static_cast<T>(load_scalar(dtype_, at));
    } else {
      if (is_float(dtype_)) return static_cast<T>(load_scalar(dtype_, at));
      return static_cast<T>(load_int(dtype_, at));
    }
  }
  // T double into an integer dtype truncates towards zero and saturates at 64 bits.
  void put(int64_t index, T value) const {
    std::byte* at = address(index);
    if constexpr (std::is_floating_point_v<T>) {
      if (is_float(dtype_) || dtype_ == DType::kBool) {
        store_scalar(dtype_, at, static_cast<double>(value));
      } else {
        store_int(dtype_, at, float_to_int(static_cast<double>(value)));
      }
    } else if (dtype_ == DType::kBool) {
      store_int(dtype_, at, value != 0);
    } else if (is_float(dtype_)) {
      store_scalar(dtype_, at, static_cast<double>(value));
    } else {
      store_int(dtype_, at, static_cast<int64_t>(value));
    }
  }

 private:
  std::byte* address(int64_t index) const {
    if (columns_ == 0) return data_ + index * size_;
    return data_ + index / columns_ * row_bytes_ + index % columns_ * size_;
  }
  int64_t float_to_int(double value) const {
    if (std::isnan(value)) return 0;
    if (dtype_ == DType::kUInt64 && value >= 0x1p63) {
      return value >= 0x1p64 ? -1 : static_cast<int64_t>(static_cast<uint64_t>(value));
    }
    if (value >= 0x1p63) return std::numeric_limits<int64_t>::max();
    if (value < -0x1p63) return std::numeric_limits<int64_t>::min();
    return static_cast<int64_t>(value);
  }
  DType dtype_;
  int64_t size_;
  std::byte* data_;
  int64_t columns_;  // 0: packed
  int64_t row_bytes_;
};

// All elements in row-major order.
template <typename T>
std::vector<T> read_all(const TensorView& view) {
  const Elements<T> elements(view);
  std::vector<T> out(static_cast<size_t>(view.elements()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = elements.get(static_cast<int64_t>(i));
  return out;
}
template <typename T>
void write_all(const TensorView& view, const std::vector<T>& values) {
  const Elements<T> elements(view);
  CHECK_EQ(static_cast<int64_t>(values.size()), view.elements());
  for (size_t i = 0; i < values.size(); ++i) elements.put(static_cast<int64_t>(i), values[i]);
}

// Moves elements without converting them: dst[d] = src[s], same dtype, packed or row-strided.
class ElementMover {
 public:
  ElementMover(const TensorView& src, const TensorView& dst)
      : src_(src), dst_(dst), size_(static_cast<size_t>(dtype_size(src.type.dtype))) {
    CHECK_EQ(dtype_name(src.type.dtype), dtype_name(dst.type.dtype));
    CHECK(!src.type.is_block());
  }
  void move(int64_t d, int64_t s) const { std::memcpy(address(dst_, d), address(src_, s), size_); }
  void fill(int64_t d, const std::byte* value) const {
    std::memcpy(address(dst_, d), value, size_);
  }

 private:
  std::byte* address(const TensorView& view, int64_t index) const {
    if (view.is_packed()) return view.data + index * static_cast<int64_t>(size_);
    return view.row(index / view.columns()) + index % view.columns() * static_cast<int64_t>(size_);
  }
  const TensorView& src_;
  const TensorView& dst_;
  size_t size_;
};

// Copies all elements in row-major order, whatever the two shapes.
void copy_elements(const TensorView& src, const TensorView& dst);

}  // namespace ingot::ops
