#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& rms_norm_avx2_kernel() {
  static const KernelDef kernel = rms_norm_vec_kernel<rms_norm_avx2_kernel>("rms_norm_avx2");
  return kernel;
}

}  // namespace ingot::cpu
