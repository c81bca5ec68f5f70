#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/moe_body.h"

namespace ingot::cpu {

const KernelDef& linear_amx_kernel();

// bfloat16 on AMX tiles.
const KernelDef& moe_ffn_amx_kernel() {
  static const KernelDef kernel =
      moe_ffn_vec_kernel<moe_ffn_amx_kernel, linear_amx_kernel>("moe_ffn_amx", DType::kBFloat16);
  return kernel;
}

}  // namespace ingot::cpu
