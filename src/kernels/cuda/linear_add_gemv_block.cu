#include "kernels/cuda/arch/gemv_block.cuh"

namespace ingot::cuda {

// Up to eight rows, weights in block formats. The residual is added in float32.
const KernelDef& linear_add_gemv_block_kernel() {
  static const KernelDef kernel = {.name = "linear_add_gemv_block",
                                   .op = "linear_add",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = gemv_block_supports,
                                   .tactics = gemv_block_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return gemv_block_instance("linear_add_gemv_block", desc,
                                                                tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
