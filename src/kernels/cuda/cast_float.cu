#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_cast_float {

constexpr int kThreads = 256;

template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    convert(const From* x, int64_t x_stride, To* y, int64_t y_stride, int64_t n, bool vector) {
  wait_for_earlier();
  let_next_start();
  const int64_t at = 8 * (blockIdx.y * static_cast<int64_t>(kThreads) + threadIdx.x);
  if (at >= n) return;
  float v[8];
  load8(x + blockIdx.x * x_stride + at, n - at, vector, v);
  store8(y + blockIdx.x * y_stride + at, n - at, vector, v);
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  const Grid grid = {x.rows(), ceil_div(x.columns(), 8 * kThreads), kThreads};
  with_float(x.type, [&](auto from) {
    with_float(y.type, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      launch_early("cast_float", context, convert<From, To>, grid, 0, x.as<From>(), row_elements(x),
                   y.as<To>(), row_elements(y), x.columns(),
                   is_vector_aligned(x) && is_vector_aligned(y));
    });
  });
}

std::string supports(const KernelDesc& desc) {
  for (const ElementType& type : {desc.inputs[0].type, desc.outputs[0].type}) {
    if (!is_activation(type)) return "type " + type.name();
  }
  const Shape& shape = desc.inputs[0].shape;
  const bool fits = shape.empty() || shape.back() <= int64_t{65535} * 8 * kThreads;
  return fits ? "" : "rows too long";
}

}  // namespace kernel_cast_float

// Between float32, bfloat16 and float16.
const KernelDef& cast_float_kernel() {
  using namespace kernel_cast_float;
  static const KernelDef kernel = {.name = "cast_float",
                                   .op = "cast",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
