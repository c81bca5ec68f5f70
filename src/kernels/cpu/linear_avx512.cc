#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/linear_body.h"

namespace ingot::cpu {

const KernelDef& linear_avx512_kernel() {
  static const KernelDef kernel = linear_vec_kernel<linear_avx512_kernel>("linear_avx512");
  return kernel;
}

}  // namespace ingot::cpu
