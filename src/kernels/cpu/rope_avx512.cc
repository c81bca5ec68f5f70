#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/rope_body.h"

namespace ingot::cpu {

const KernelDef& rope_avx512_kernel() {
  static const KernelDef kernel = rope_vec_kernel<rope_avx512_kernel>("rope_avx512");
  return kernel;
}

}  // namespace ingot::cpu
