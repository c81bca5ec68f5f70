#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& relu_avx2_kernel() {
  static const KernelDef kernel = relu_vec_kernel<relu_avx2_kernel>("relu_avx2");
  return kernel;
}

}  // namespace ingot::cpu
