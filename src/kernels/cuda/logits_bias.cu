#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_bias {

// grid: slices, rows. As edit_logits(), with the values of the slice's ids in place of counts.
__global__ void __launch_bounds__(kEditThreads) add_bias(EditArgs a, const float* values) {
  __shared__ float bias[kEditSlice];
  const int64_t row = blockIdx.y;
  const int begin = static_cast<int>(blockIdx.x) * kEditSlice;
  const int size = min(kEditSlice, a.n - begin);
  const float* x = a.x + row * a.x_stride + begin;
  float* y = a.y + row * a.y_stride + begin;
  const int64_t from = max(a.offsets[row], 0);
  const int64_t to = min(static_cast<int64_t>(a.offsets[row + 1]), a.id_count);
  if (from >= to) {
    for (int i = threadIdx.x; i < size; i += kEditThreads) y[i] = x[i];
    return;
  }
  for (int i = threadIdx.x; i < size; i += kEditThreads) bias[i] = 0.0f;
  __syncthreads();
  for (int64_t i = from + threadIdx.x; i < to; i += kEditThreads) {
    const int64_t at = static_cast<int64_t>(a.ids[i]) - begin;
    if (at >= 0 && at < size) bias[at] = values[i];  // an id is listed once
  }
  __syncthreads();
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kEditThreads) {
    const float v = x[i];
    y[i] = bias[i] == 0.0f ? v : v + bias[i];
  }
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  if (x.rows() == 0) return;
  const EditArgs a = edit_args(false, args);
  const float* values = args.inputs[3].as<const float>();
  add_bias<<<edit_grid(x), kEditThreads, 0, cuda_stream(context.stream)>>>(a, values);
  check_launch("logits_bias");
}

}  // namespace kernel_logits_bias

// Values added to listed ids.
const KernelDef& logits_bias_kernel() {
  using namespace kernel_logits_bias;
  static const KernelDef kernel = {
      .name = "logits_bias",
      .op = "logits_bias",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
