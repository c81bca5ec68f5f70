#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& relu_avx512_kernel() {
  static const KernelDef kernel = relu_vec_kernel<relu_avx512_kernel>("relu_avx512");
  return kernel;
}

}  // namespace ingot::cpu
