#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_softmax {

constexpr int kThreads = 256;

// One block a row. A row of -inf alone gives zeros.
template <class T>
__global__ void __launch_bounds__(kThreads)
    softmax_rows(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t n) {
  wait_for_earlier();
  let_next_start();
  __shared__ float first[32], second[32];
  x += blockIdx.x * x_stride;
  y += blockIdx.x * y_stride;
  float top = -INFINITY;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) top = fmaxf(top, to_float(x[i]));
  top = block_max(top, first);
  const bool masked = top == -INFINITY;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += expf(to_float(x[i]) - top);
  sum = block_sum(sum, second);
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    y[i] = from_float<T>(masked ? 0.0f : expf(to_float(x[i]) - top) / sum);
  }
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  with_float(x.type, [&](auto tag) {
    using T = decltype(tag);
    launch_early("softmax", context, softmax_rows<T>, {x.rows(), 1, kThreads}, 0, x.as<T>(),
                 row_elements(x), y.as<T>(), row_elements(y), x.columns());
  });
}

std::string supports(const KernelDesc& desc) {
  const int64_t axis = attr_or<int64_t>(desc.attrs, "axis", -1);
  const auto rank = static_cast<int64_t>(desc.inputs[0].shape.size());
  if (rank == 0 || (axis != -1 && axis != rank - 1)) return "needs the last axis";
  return is_activation(desc.inputs[0].type) ? "" : "input is " + desc.inputs[0].type.name();
}

}  // namespace kernel_softmax

// Along the last axis.
const KernelDef& softmax_kernel() {
  using namespace kernel_softmax;
  static const KernelDef kernel = {.name = "softmax",
                                   .op = "softmax",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
