#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/linear_body.h"

namespace ingot::cpu {

const KernelDef& linear_avx2_kernel() {
  static const KernelDef kernel = linear_vec_kernel<linear_avx2_kernel>("linear_avx2");
  return kernel;
}

}  // namespace ingot::cpu
