#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/unary_body.h"

namespace ingot::cpu {

const KernelDef& layer_norm_avx2_kernel() {
  static const KernelDef kernel = layer_norm_vec_kernel<layer_norm_avx2_kernel>("layer_norm_avx2");
  return kernel;
}

}  // namespace ingot::cpu
