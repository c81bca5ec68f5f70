#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rope_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Rotary embedding, AVX2.
const KernelDef& rope_avx2_kernel() {
  static const KernelDef kernel = {.name = "rope_avx2",
                                   .op = "rope",
                                   .device = "cpu",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports =
                                       [](const KernelDesc& desc) {
                                         if (cpu_isa() < CpuIsa::kAvx2)
                                           return std::string("needs AVX2");
                                         return rope_supports(desc);
                                       },
                                   .prepare = rope_prepare,
                                   .self_test =
                                       [] {
                                         return self_test(
                                             rope_avx2_kernel(),
                                             {{.attrs = {{"head_dim", int64_t{24}}},
                                               .inputs = {{DType::kFloat32, {2, 48}},
                                                          {DType::kInt32, {2}, false, {7, 1000}},
                                                          {DType::kFloat32, {11}}}}});
                                       }};
  return kernel;
}

}  // namespace ingot::cpu
