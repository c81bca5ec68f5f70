#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Gated units, AVX2.
const KernelDef& act_mul_avx2_kernel() {
  static const KernelDef kernel = {
      .name = "act_mul_avx2",
      .op = "act_mul",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx2) return std::string("needs AVX2");
            return act_mul_supports(desc);
          },
      .prepare = act_mul_prepare,
      .self_test =
          [] {
            return self_test(
                act_mul_avx2_kernel(),
                {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}},
                 {.attrs = {{"activation", std::string("gelu")}},
                  .inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
