#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/attention_body.h"

namespace ingot::cpu {

const KernelDef& paged_attention_avx2_kernel() {
  static const KernelDef kernel =
      paged_attention_vec_kernel<paged_attention_avx2_kernel>("paged_attention_avx2");
  return kernel;
}

}  // namespace ingot::cpu
