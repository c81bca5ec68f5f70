#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/moe_body.h"

namespace ingot::cpu {

const KernelDef& linear_avx2_kernel();

// Weights of any float type or block format, float32 arithmetic.
const KernelDef& moe_ffn_avx2_kernel() {
  static const KernelDef kernel =
      moe_ffn_vec_kernel<moe_ffn_avx2_kernel, linear_avx2_kernel>("moe_ffn_avx2", DType::kFloat32);
  return kernel;
}

}  // namespace ingot::cpu
