#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& gelu_avx2_kernel() {
  static const KernelDef kernel = gelu_vec_kernel<gelu_avx2_kernel>("gelu_avx2");
  return kernel;
}

}  // namespace ingot::cpu
