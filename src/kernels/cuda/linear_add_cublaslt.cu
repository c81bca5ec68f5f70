#include "kernels/cuda/contract/cublaslt_linear.h"
// check.h, in the one above, comes first.

#include "kernels/cuda/contract/cublaslt.h"

namespace ingot::cuda {

// Any number of rows, all of one type, by cuBLASLt in float32 accumulation without TF32. The sum is
// rounded once.
const KernelDef& linear_add_cublaslt_kernel() {
  static const KernelDef kernel = {.name = "linear_add_cublaslt",
                                   .op = "linear_add",
                                   .device = "cuda",
                                   .priority = 20,
                                   .supports = cublaslt_linear::supports,
                                   .tactics = cublaslt_linear::tactics,
                                   .prepare = cublaslt_linear::prepare,
                                   .library = cublaslt_version};
  return kernel;
}

}  // namespace ingot::cuda
