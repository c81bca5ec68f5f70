#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& layer_norm_avx512_kernel() {
  static const KernelDef kernel =
      layer_norm_vec_kernel<layer_norm_avx512_kernel>("layer_norm_avx512");
  return kernel;
}

}  // namespace ingot::cpu
