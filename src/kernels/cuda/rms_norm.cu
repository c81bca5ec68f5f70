#include "kernels/cuda/arch/norm_rows.cuh"

namespace ingot::cuda {

// Root mean square norm of rows.
const KernelDef& rms_norm_kernel() {
  static const KernelDef kernel = {.name = "rms_norm",
                                   .op = "rms_norm",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = norm_supports,
                                   .prepare = norm_prepare};
  return kernel;
}

}  // namespace ingot::cuda
