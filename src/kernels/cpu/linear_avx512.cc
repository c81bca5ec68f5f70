#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/linear_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Weights of any float type or block format, float32 arithmetic, AVX-512.
const KernelDef& linear_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "linear_avx512",
      .op = "linear",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return dot_linear_supports(desc);
          },
      .tactics = dot_linear_tactics,
      .prepare = dot_linear_prepare,
      .self_test =
          [] {
            return self_test(
                linear_avx512_kernel(),
                {{.attrs = {},
                  .inputs = {{DType::kFloat32, {7, 70}}, {DType::kFloat32, {13, 70}, true}}},
                 {.attrs = {},
                  .inputs = {{DType::kFloat32, {5, 64}},
                             {parse_element_type("q4_1"), {13, 64}, true}}},
                 {.attrs = {},
                  .inputs = {{DType::kFloat32, {5, 64}},
                             {parse_element_type("q8_0"), {13, 64}, true}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
