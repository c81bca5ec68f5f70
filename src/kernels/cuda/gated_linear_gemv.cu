// unit: large
#include "kernels/cuda/arch/gemv_rows.cuh"

namespace ingot::cuda {
namespace kernel_gated_linear_gemv {

std::string supports(const KernelDesc& desc) {
  const std::string reason = gated_supports(desc.attrs);
  return reason.empty() ? gemv_rows_supports(desc) : reason;
}

}  // namespace kernel_gated_linear_gemv

// Up to eight rows, weights of any activation type. A column's gate and up are made side by side
// and stay in float32.
const KernelDef& gated_linear_gemv_kernel() {
  static const KernelDef kernel = {.name = "gated_linear_gemv",
                                   .op = "gated_linear",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = kernel_gated_linear_gemv::supports,
                                   .tactics = gemv_rows_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return gemv_rows_instance<GatedUnit>("gated_linear_gemv", desc,
                                                                          tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
