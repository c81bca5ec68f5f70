#include "kernels/cuda/arch/binary_rows.cuh"
#include "kernels/cuda/arch/gated.cuh"

namespace ingot::cuda {
namespace kernel_act_mul {

std::string supports(const KernelDesc& desc) {
  const std::string reason = gated_supports(desc.attrs);
  return reason.empty() ? binary_supports(desc) : reason;
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  const auto name = attr_or<std::string>(desc.attrs, "activation", "silu");
  BinaryLaunch run = &launch_binary<SiluMul>;
  if (name == "relu") run = &launch_binary<ReluMul>;
  if (name == "gelu") run = &launch_binary<GeluMul>;
  if (name == "gelu_tanh") run = &launch_binary<GeluTanhMul>;
  return std::make_unique<BinaryInstance>(desc, run, "act_mul");
}

}  // namespace kernel_act_mul

// Gated units.
const KernelDef& act_mul_kernel() {
  using namespace kernel_act_mul;
  static const KernelDef kernel = {.name = "act_mul",
                                   .op = "act_mul",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
