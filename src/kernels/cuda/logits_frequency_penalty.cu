#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_frequency_penalty {

struct Edit {
  static __device__ bool idle(float penalty) { return penalty == 0.0f; }
  static __device__ float change(float v, float penalty, int count) {
    // Rounded twice, as on the host: no fused multiply-add.
    return __fsub_rn(v, __fmul_rn(penalty, static_cast<float>(count)));
  }
};

void launch(const LaunchArgs& args, ExecContext& context) {
  launch_edit<Edit>("logits_frequency_penalty", true, args, context);
}

}  // namespace kernel_logits_frequency_penalty

// Ids of the output, by their number.
const KernelDef& logits_frequency_penalty_kernel() {
  using namespace kernel_logits_frequency_penalty;
  static const KernelDef kernel = {
      .name = "logits_frequency_penalty",
      .op = "logits_frequency_penalty",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
