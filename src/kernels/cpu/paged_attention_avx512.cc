#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/attention_body.h"

namespace ingot::cpu {

const KernelDef& paged_attention_avx512_kernel() {
  static const KernelDef kernel =
      paged_attention_vec_kernel<paged_attention_avx512_kernel>("paged_attention_avx512");
  return kernel;
}

}  // namespace ingot::cpu
