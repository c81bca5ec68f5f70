#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Float32 arithmetic on any activation type, AVX-512.
const KernelDef& rms_norm_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "rms_norm_avx512",
      .op = "rms_norm",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return norm_supports(desc);
          },
      .prepare = norm_prepare,
      .self_test =
          [] {
            return self_test(rms_norm_avx512_kernel(),
                             {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
