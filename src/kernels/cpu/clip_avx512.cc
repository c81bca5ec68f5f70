#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& clip_avx512_kernel() {
  static const KernelDef kernel = clip_vec_kernel<clip_avx512_kernel>("clip_avx512");
  return kernel;
}

}  // namespace ingot::cpu
