// y = f(x) element by element on activations of any rank; rows may be strided.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {

struct UnaryArgs {
  const void* x;
  void* y;
  int64_t x_stride, y_stride;  // elements
  int64_t n;
  int64_t pieces;  // blocks of a row
  bool vector;
};

constexpr int kUnaryThreads = 128;

template <class T, class F>
__global__ void __launch_bounds__(kUnaryThreads) unary_rows(UnaryArgs args) {
  wait_for_earlier();
  let_next_start();
  const int64_t row = blockIdx.x / args.pieces, piece = blockIdx.x % args.pieces;
  const int64_t at = 8 * (piece * kUnaryThreads + threadIdx.x);
  if (at >= args.n) return;
  float v[8];
  load8(static_cast<const T*>(args.x) + row * args.x_stride + at, args.n - at, args.vector, v);
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = F::apply(v[i]);
  store8(static_cast<T*>(args.y) + row * args.y_stride + at, args.n - at, args.vector, v);
}

template <class F>
void launch_unary(const LaunchArgs& args, ExecContext& context, std::string_view name) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  const int64_t pieces = ceil_div(x.columns(), 8 * kUnaryThreads);
  const UnaryArgs job = {x.data,
                         y.data,
                         row_elements(x),
                         row_elements(y),
                         x.columns(),
                         pieces,
                         is_vector_aligned(x) && is_vector_aligned(y)};
  with_float(x.type, [&](auto tag) {
    launch_early(name, context, unary_rows<decltype(tag), F>, {x.rows() * pieces, 1, kUnaryThreads},
                 0, job);
  });
}

inline std::string unary_supports(const KernelDesc& desc) {
  if (!is_activation(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  return rows_of(desc.inputs[0].shape) > INT_MAX / 64 ? "too many rows" : "";
}

}  // namespace ingot::cuda
