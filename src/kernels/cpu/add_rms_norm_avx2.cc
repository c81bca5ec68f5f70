#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Residual addition and norm in one pass, AVX2.
const KernelDef& add_rms_norm_avx2_kernel() {
  static const KernelDef kernel = {.name = "add_rms_norm_avx2",
                                   .op = "add_rms_norm",
                                   .device = "cpu",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports =
                                       [](const KernelDesc& desc) {
                                         if (cpu_isa() < CpuIsa::kAvx2)
                                           return std::string("needs AVX2");
                                         return norm_supports(desc);
                                       },
                                   .prepare = norm_prepare,
                                   .self_test =
                                       [] {
                                         return self_test(add_rms_norm_avx2_kernel(),
                                                          {{.inputs = {{DType::kFloat32, {3, 37}},
                                                                       {DType::kFloat32, {3, 37}},
                                                                       {DType::kFloat32, {37}}}}});
                                       }};
  return kernel;
}

}  // namespace ingot::cpu
