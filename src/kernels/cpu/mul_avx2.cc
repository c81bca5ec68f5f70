#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& mul_avx2_kernel() {
  static const KernelDef kernel = mul_vec_kernel<mul_avx2_kernel>("mul_avx2");
  return kernel;
}

}  // namespace ingot::cpu
