#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Gated units, AVX-512.
const KernelDef& act_mul_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "act_mul_avx512",
      .op = "act_mul",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return act_mul_supports(desc);
          },
      .prepare = act_mul_prepare,
      .self_test =
          [] {
            return self_test(
                act_mul_avx512_kernel(),
                {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}},
                 {.attrs = {{"activation", std::string("gelu")}},
                  .inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
