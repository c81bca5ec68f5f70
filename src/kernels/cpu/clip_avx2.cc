#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& clip_avx2_kernel() {
  static const KernelDef kernel = clip_vec_kernel<clip_avx2_kernel>("clip_avx2");
  return kernel;
}

}  // namespace ingot::cpu
