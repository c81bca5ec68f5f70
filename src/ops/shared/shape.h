// Shape helpers that operators share: axes, broadcasting, strided walks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ops/contract/op_def.h"

namespace ingot::ops {

// -1 is the last axis. Error{kInvalidArgument} naming the op when outside [-rank, rank).
int64_t normalize_axis(const InferArgs& args, int64_t axis, size_t rank);
// Same for references and imports, where the range was checked or will be.
inline int64_t wrap_axis(int64_t axis, size_t rank) {
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

// An index into an axis of `length`, negative ones counted from its end. Error{kInvalidArgument} of
// `where` when it lies outside.
inline int64_t wrap_index(int64_t index, int64_t length, std::string_view where) {
  if (index < -length || index >= length) {
    fail(ErrorCode::kInvalidArgument, where, "expected index {} to {}, found {}", -length,
         length - 1, index);
  }
  return index < 0 ? index + length : index;
}
// Error{kInvalidArgument} of `where` when indices are wider than the data beside `axis`: infer()
// cannot tell for symbolic sizes.
void check_inside(const Shape& indices, const Shape& data, size_t axis, std::string_view where);

// NumPy broadcasting of symbolic shapes. Two different symbols meet as max(a, b): at run time they
// must be equal or 1. Error{kInvalidArgument} naming the op when two constants differ.
SymShape broadcast_shapes(const InferArgs& args, std::span<const SymShape> shapes);

// Element strides (row-major) of `shape`.
std::vector<int64_t> element_strides(const Shape& shape);
// Strides of `shape` when read at the indices of `out`: right aligned, 0 where it repeats.
// Error{kInvalidArgument} unless it fits.
std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out);

// Calls f(linear, offsets) for each index of `shape` in row-major order; offsets[k] is the dot
// product of the index with strides[k].
template <size_t N, typename F>
void walk(const Shape& shape, const std::array<std::vector<int64_t>, N>& strides, F&& f) {
  const int64_t count = element_count(shape);
  std::vector<int64_t> index(shape.size(), 0);
  std::array<int64_t, N> offsets{};
  for (int64_t linear = 0; linear < count; ++linear) {
    f(linear, offsets);
    for (size_t axis = shape.size(); axis-- > 0;) {
      for (size_t k = 0; k < N; ++k) offsets[k] += strides[k][axis];
      if (++index[axis] < shape[axis]) break;
      for (size_t k = 0; k < N; ++k) offsets[k] -= strides[k][axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

// Splits a shape at an axis: outer * length * inner elements.
struct AxisSplit {
  int64_t outer = 1, length = 1, inner = 1;
};
AxisSplit split_at(const Shape& shape, int64_t axis);

// Type checks for infer(); `index` is the input.
void require_float(const InferArgs& args, size_t index);
void require_numeric(const InferArgs& args, size_t index);  // float or integer
void require_integer(const InferArgs& args, size_t index);
void require_bool(const InferArgs& args, size_t index);
void require_scalar_type(const InferArgs& args, size_t index);  // anything but a block format
void require_same_type(const InferArgs& args, size_t a, size_t b);
void require_rank(const InferArgs& args, size_t index, size_t rank);
void require_min_rank(const InferArgs& args, size_t index, size_t rank);

// OpDef::dims of an op whose result has the elements of input 0, in their order.
std::optional<std::vector<Dim>> same_dims(const DimsArgs& args);

}  // namespace ingot::ops
