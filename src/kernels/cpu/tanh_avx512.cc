#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& tanh_avx512_kernel() {
  static const KernelDef kernel = tanh_vec_kernel<tanh_avx512_kernel>("tanh_avx512");
  return kernel;
}

}  // namespace ingot::cpu
