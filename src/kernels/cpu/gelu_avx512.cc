#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& gelu_avx512_kernel() {
  static const KernelDef kernel = gelu_vec_kernel<gelu_avx512_kernel>("gelu_avx512");
  return kernel;
}

}  // namespace ingot::cpu
