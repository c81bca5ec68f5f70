#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Tables of any float type or block format, AVX2.
const KernelDef& embedding_avx2_kernel() {
  static const KernelDef kernel = {
      .name = "embedding_avx2",
      .op = "embedding",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx2) return std::string("needs AVX2");
            return embedding_supports(desc);
          },
      .prepare = embedding_prepare,
      .self_test =
          [] {
            return self_test(embedding_avx2_kernel(),
                             {{.attrs = {{"dtype", std::string("float32")}},
                               .inputs = {{DType::kInt32, {2}, false, {3, 0}},
                                          {parse_element_type("q8_0"), {5, 64}, true}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
