#include "kernels/cuda/arch/norm_rows.cuh"

namespace ingot::cuda {

// Residual addition and norm in one pass.
const KernelDef& add_rms_norm_kernel() {
  static const KernelDef kernel = {.name = "add_rms_norm",
                                   .op = "add_rms_norm",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = norm_supports,
                                   .prepare = norm_prepare};
  return kernel;
}

}  // namespace ingot::cuda
