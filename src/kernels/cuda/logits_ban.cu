#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_ban {

struct Edit {
  static __device__ bool idle(float) { return false; }
  static __device__ float change(float, float, int) { return -INFINITY; }
};

void launch(const LaunchArgs& args, ExecContext& context) {
  launch_edit<Edit>("logits_ban", false, args, context);
}

}  // namespace kernel_logits_ban

// Listed ids out of the draw.
const KernelDef& logits_ban_kernel() {
  using namespace kernel_logits_ban;
  static const KernelDef kernel = {
      .name = "logits_ban",
      .op = "logits_ban",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
