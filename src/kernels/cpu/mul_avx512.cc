#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& mul_avx512_kernel() {
  static const KernelDef kernel = mul_vec_kernel<mul_avx512_kernel>("mul_avx512");
  return kernel;
}

}  // namespace ingot::cpu
