#include "kernels/cuda/arch/logit_edits.cuh"

namespace ingot::cuda {
namespace kernel_logits_allow {

struct Edit {
  static __device__ bool idle(float) { return false; }
  static __device__ float change(float v, float, int) { return v; }
  static __device__ float unlisted(float) { return -INFINITY; }
};

void launch(const LaunchArgs& args, ExecContext& context) {
  launch_edit<Edit>("logits_allow", false, args, context);
}

}  // namespace kernel_logits_allow

// All ids but the listed ones out of the draw.
const KernelDef& logits_allow_kernel() {
  using namespace kernel_logits_allow;
  static const KernelDef kernel = {
      .name = "logits_allow",
      .op = "logits_allow",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = edit_supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
