#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_presence_penalty {

struct Edit {
  static __device__ bool idle(float penalty) { return penalty == 0.0f; }
  static __device__ float change(float v, float penalty, int) { return v - penalty; }
};

void launch(const LaunchArgs& args, ExecContext& context) {
  launch_edit<Edit>("logits_presence_penalty", true, args, context);
}

}  // namespace kernel_logits_presence_penalty

// Ids of the output, once each.
const KernelDef& logits_presence_penalty_kernel() {
  using namespace kernel_logits_presence_penalty;
  static const KernelDef kernel = {
      .name = "logits_presence_penalty",
      .op = "logits_presence_penalty",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
