#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rope_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Rotary embedding, AVX-512.
const KernelDef& rope_avx512_kernel() {
  static const KernelDef kernel = {.name = "rope_avx512",
                                   .op = "rope",
                                   .device = "cpu",
                                   .invariant = true,
                                   .priority = 20,
                                   .supports =
                                       [](const KernelDesc& desc) {
                                         if (cpu_isa() < CpuIsa::kAvx512)
                                           return std::string("needs AVX-512");
                                         return rope_supports(desc);
                                       },
                                   .prepare = rope_prepare,
                                   .self_test =
                                       [] {
                                         return self_test(
                                             rope_avx512_kernel(),
                                             {{.attrs = {{"head_dim", int64_t{24}}},
                                               .inputs = {{DType::kFloat32, {2, 48}},
                                                          {DType::kInt32, {2}, false, {7, 1000}},
                                                          {DType::kFloat32, {11}}}}});
                                       }};
  return kernel;
}

}  // namespace ingot::cpu
