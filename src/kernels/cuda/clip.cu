#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_clip {

struct ClipArgs {
  const void* x;
  const void* low;  // one element each; null: no limit
  const void* high;
  void* y;
  int64_t x_stride, y_stride;  // elements
  int64_t n;
  int64_t pieces;  // blocks of a row
  bool vector;
};

constexpr int kThreads = 128;

// NaN stays, and limits nothing.
template <class T>
__global__ void __launch_bounds__(kThreads) clip_rows(ClipArgs args) {
  wait_for_earlier();
  let_next_start();
  const int64_t row = blockIdx.x / args.pieces, piece = blockIdx.x % args.pieces;
  const int64_t at = 8 * (piece * kThreads + threadIdx.x);
  if (at >= args.n) return;
  const float low = args.low ? to_float(*static_cast<const T*>(args.low)) : -INFINITY;
  const float high = args.high ? to_float(*static_cast<const T*>(args.high)) : INFINITY;
  float v[8];
  load8(static_cast<const T*>(args.x) + row * args.x_stride + at, args.n - at, args.vector, v);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (v[i] < low) v[i] = low;
    if (v[i] > high) v[i] = high;
  }
  store8(static_cast<T*>(args.y) + row * args.y_stride + at, args.n - at, args.vector, v);
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  const auto limit = [&](size_t i) -> const void* {
    return i < args.inputs.size() && args.inputs[i].present() ? args.inputs[i].data : nullptr;
  };
  const int64_t pieces = ceil_div(x.columns(), 8 * kThreads);
  const ClipArgs job = {x.data,      limit(1),        limit(2),
                        y.data,      row_elements(x), row_elements(y),
                        x.columns(), pieces,          is_vector_aligned(x) && is_vector_aligned(y)};
  with_float(x.type, [&](auto tag) {
    launch_early("clip", context, clip_rows<decltype(tag)>, {x.rows() * pieces, 1, kThreads}, 0,
                 job);
  });
}

std::string supports(const KernelDesc& desc) {
  const OperandDesc& x = desc.inputs[0];
  if (!is_activation(x.type)) return "input is " + x.type.name();
  const int64_t pieces = x.shape.empty() ? 1 : ceil_div(x.shape.back(), 8 * kThreads) + 1;
  return rows_of(x.shape) > INT_MAX / pieces ? "too many rows" : "";
}

}  // namespace kernel_clip

// Elements within two limits, each of which may be absent.
const KernelDef& clip_kernel() {
  using namespace kernel_clip;
  static const KernelDef kernel = {.name = "clip",
                                   .op = "clip",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
