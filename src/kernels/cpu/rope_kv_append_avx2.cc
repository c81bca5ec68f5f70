#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/rope_body.h"

namespace ingot::cpu {

const KernelDef& rope_kv_append_avx2_kernel() {
  static const KernelDef kernel =
      rope_kv_append_vec_kernel<rope_kv_append_avx2_kernel>("rope_kv_append_avx2");
  return kernel;
}

}  // namespace ingot::cpu
