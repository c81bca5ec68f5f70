// unit: large
#include "kernels/cuda/arch/gemv_rows.cuh"

namespace ingot::cuda {
namespace kernel_rms_norm_gated_linear_gemv {

std::string supports(const KernelDesc& desc) {
  std::string reason = gated_supports(desc.attrs);
  if (reason.empty()) reason = norm_input_supports(desc);
  return reason.empty() ? gemv_rows_supports(desc) : reason;
}

}  // namespace kernel_rms_norm_gated_linear_gemv

// Up to eight rows, weights of any activation type. The norms and a column's gate and up stay in
// float32.
const KernelDef& rms_norm_gated_linear_gemv_kernel() {
  static const KernelDef kernel = {.name = "rms_norm_gated_linear_gemv",
                                   .op = "rms_norm_gated_linear",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = kernel_rms_norm_gated_linear_gemv::supports,
                                   .tactics = gemv_rows_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return gemv_rows_instance<GatedUnit, NormInput>(
                                         "rms_norm_gated_linear_gemv", desc, tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
