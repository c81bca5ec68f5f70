#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Equal shapes, or one row added to every row, AVX-512.
const KernelDef& add_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "add_avx512",
      .op = "add",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return add_supports(desc);
          },
      .prepare = add_prepare,
      .self_test =
          [] {
            return self_test(
                add_avx512_kernel(),
                {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
