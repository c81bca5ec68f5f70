#include "kernels/cuda/contract/cublaslt_linear.h"
// check.h, in the one above, comes first.

#include "kernels/cuda/contract/cublaslt.h"

namespace ingot::cuda {

// Any number of rows, x and weight of one type, by cuBLASLt in float32 accumulation without TF32.
const KernelDef& linear_cublaslt_kernel() {
  static const KernelDef kernel = {.name = "linear_cublaslt",
                                   .op = "linear",
                                   .device = "cuda",
                                   .version = 3,
                                   .priority = 20,
                                   .supports = cublaslt_linear::supports,
                                   .tactics = cublaslt_linear::tactics,
                                   .prepare = cublaslt_linear::prepare,
                                   .library = cublaslt_version};
  return kernel;
}

}  // namespace ingot::cuda
