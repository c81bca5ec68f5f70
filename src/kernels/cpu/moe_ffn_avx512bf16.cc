#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/moe_body.h"

namespace ingot::cpu {

const KernelDef& linear_avx512bf16_kernel();

// bfloat16, AVX512-BF16 dot products.
const KernelDef& moe_ffn_avx512bf16_kernel() {
  static const KernelDef kernel =
      moe_ffn_vec_kernel<moe_ffn_avx512bf16_kernel, linear_avx512bf16_kernel>("moe_ffn_avx512bf16",
                                                                              DType::kBFloat16);
  return kernel;
}

}  // namespace ingot::cpu
