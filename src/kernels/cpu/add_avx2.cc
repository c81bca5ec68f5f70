#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Equal shapes, or one row added to every row, AVX2.
const KernelDef& add_avx2_kernel() {
  static const KernelDef kernel = {
      .name = "add_avx2",
      .op = "add",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx2) return std::string("needs AVX2");
            return add_supports(desc);
          },
      .prepare = add_prepare,
      .self_test =
          [] {
            return self_test(
                add_avx2_kernel(),
                {{.inputs = {{DType::kFloat32, {3, 37}}, {DType::kFloat32, {3, 37}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
