#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_repetition_penalty {

struct Edit {
  static __device__ bool idle(float penalty) { return penalty == 1.0f; }
  static __device__ float change(float v, float penalty, int) {
    return v > 0 ? v / penalty : v * penalty;
  }
};

void launch(const LaunchArgs& args, ExecContext& context) {
  launch_edit<Edit>("logits_repetition_penalty", false, args, context);
}

}  // namespace kernel_logits_repetition_penalty

// Ids of prompt and output, once each.
const KernelDef& logits_repetition_penalty_kernel() {
  using namespace kernel_logits_repetition_penalty;
  static const KernelDef kernel = {
      .name = "logits_repetition_penalty",
      .op = "logits_repetition_penalty",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
