#include "kernels/cuda/arch/gemv_rows.cuh"

namespace ingot::cuda {

// Up to eight rows, weights of any activation type. The residual is added in float32.
const KernelDef& linear_add_gemv_kernel() {
  static const KernelDef kernel = {.name = "linear_add_gemv",
                                   .op = "linear_add",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = gemv_rows_supports,
                                   .tactics = gemv_rows_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return plain_gemv_rows("linear_add_gemv", desc, tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
