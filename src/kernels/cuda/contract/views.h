// Host side of the CUDA kernels: element types, alignment, weight pieces.
#pragma once

#include "kernels/cuda/contract/check.h"
// check.h comes first: it prepares fmt.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "kernels/kernel_def.h"
#include "tensor/devices/cuda_stream.h"

namespace ingot::cuda {

// Calls f with a value of the C++ type of an activation type; false if there is none.
template <class F>
bool with_float(const ElementType& type, F&& f) {
  if (type == DType::kFloat32) return f(float{}), true;
  if (type == DType::kBFloat16) return f(__nv_bfloat16{}), true;
  if (type == DType::kFloat16) return f(__half{}), true;
  return false;
}
inline bool is_activation(const ElementType& type) {
  return type == DType::kFloat32 || type == DType::kBFloat16 || type == DType::kFloat16;
}

// A vector of any activation type, told apart at run time; null when absent.
struct AnyFloats {
  const void* data = nullptr;
  DType type = DType::kFloat32;
};
inline AnyFloats any_floats(const TensorView& view) { return {view.data, view.type.dtype}; }
inline AnyFloats optional_floats(std::span<const TensorView> inputs, size_t index) {
  return index < inputs.size() && inputs[index].present() ? any_floats(inputs[index]) : AnyFloats{};
}

// From one row to the next, in elements.
inline int64_t row_elements(const TensorView& view) {
  return view.row_bytes() / static_cast<int64_t>(dtype_size(view.type.dtype));
}
// True when every row can be read in 16-byte words.
inline bool is_vector_aligned(const TensorView& view) {
  return reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.row_bytes() % 16 == 0;
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t rows_of(const Shape& shape) {
  return shape.empty() || shape.back() == 0 ? 0 : element_count(shape) / shape.back();
}

// Row pieces of one weight, as kernels take them: by value.
struct Pieces {
  static constexpr int kMost = 8;
  const std::byte* data[kMost];
  int64_t row_bytes[kMost];
  int64_t first[kMost + 1];  // first row of each; first[count] is the number of rows
  int count;
};
inline Pieces pieces_of(const LaunchArgs& args, size_t input) {
  Pieces out = {};
  for_each_segment(args, input, [&](const TensorView& piece, int64_t first) {
    CHECK_LT(out.count, Pieces::kMost);
    out.data[out.count] = piece.data;
    out.row_bytes[out.count] = piece.row_bytes();
    out.first[out.count] = first;
    out.first[++out.count] = first + piece.shape[0];
  });
  return out;
}
inline std::string too_many_pieces(const OperandDesc& weight) {
  if (weight.segments <= Pieces::kMost) return "";
  return "weight in " + std::to_string(weight.segments) + " pieces";
}
inline bool is_vector_aligned(const Pieces& pieces) {
  for (int i = 0; i < pieces.count; ++i) {
    if (reinterpret_cast<uintptr_t>(pieces.data[i]) % 16 != 0 || pieces.row_bytes[i] % 16 != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace ingot::cuda
