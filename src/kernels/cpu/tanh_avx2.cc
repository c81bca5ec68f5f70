#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& tanh_avx2_kernel() {
  static const KernelDef kernel = tanh_vec_kernel<tanh_avx2_kernel>("tanh_avx2");
  return kernel;
}

}  // namespace ingot::cpu
