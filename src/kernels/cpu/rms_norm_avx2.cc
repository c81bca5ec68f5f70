#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Float32 arithmetic on any activation type, AVX2.
const KernelDef& rms_norm_avx2_kernel() {
  static const KernelDef kernel = {
      .name = "rms_norm_avx2",
      .op = "rms_norm",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx2) return std::string("needs AVX2");
            return norm_supports(desc);
          },
      .prepare = norm_prepare,
      .self_test =
          [] {
            return self_test(rms_norm_avx2_kernel(),
                             {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
