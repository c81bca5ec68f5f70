#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_mask {

// grid: slices, rows. Neighbouring threads share a word.
__global__ void __launch_bounds__(kEditThreads) mask_logits(EditArgs a) {
  const int64_t row = blockIdx.y;
  const int begin = static_cast<int>(blockIdx.x) * kEditSlice;
  const int end = min(begin + kEditSlice, a.n);
  const float* x = a.x + row * a.x_stride;
  float* y = a.y + row * a.y_stride;
  const int64_t from = max(a.offsets[row], 0);
  const int64_t to = min(static_cast<int64_t>(a.offsets[row + 1]), a.id_count);
  const bool all = from >= to;
#pragma unroll 4
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kEditThreads) {
    const int64_t at = from + i / 32;
    const unsigned word = all ? ~0U : at < to ? static_cast<unsigned>(a.ids[at]) : 0U;
    y[i] = (word >> (i % 32) & 1U) != 0 ? x[i] : -INFINITY;
  }
}

void launch(const LaunchArgs& args, ExecContext& context) {
  if (args.inputs[0].rows() == 0) return;
  const EditArgs a = edit_args(false, args);
  const dim3 grid = edit_grid(args.inputs[0]);
  mask_logits<<<grid, kEditThreads, 0, cuda_stream(context.stream)>>>(a);
  check_launch("logits_mask");
}

}  // namespace kernel_logits_mask

// All ids without a bit out of the draw.
const KernelDef& logits_mask_kernel() {
  using namespace kernel_logits_mask;
  static const KernelDef kernel = {
      .name = "logits_mask",
      .op = "logits_mask",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
