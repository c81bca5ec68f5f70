#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& add_rms_norm_avx2_kernel() {
  static const KernelDef kernel =
      add_rms_norm_vec_kernel<add_rms_norm_avx2_kernel>("add_rms_norm_avx2");
  return kernel;
}

}  // namespace ingot::cpu
