#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& add_rms_norm_avx512_kernel() {
  static const KernelDef kernel =
      add_rms_norm_vec_kernel<add_rms_norm_avx512_kernel>("add_rms_norm_avx512");
  return kernel;
}

}  // namespace ingot::cpu
