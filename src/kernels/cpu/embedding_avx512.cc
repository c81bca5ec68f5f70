#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rows_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Tables of any float type or block format, AVX-512.
const KernelDef& embedding_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "embedding_avx512",
      .op = "embedding",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return embedding_supports(desc);
          },
      .prepare = embedding_prepare,
      .self_test =
          [] {
            return self_test(embedding_avx512_kernel(),
                             {{.attrs = {{"dtype", std::string("float32")}},
                               .inputs = {{DType::kInt32, {2}, false, {3, 0}},
                                          {parse_element_type("q8_0"), {5, 64}, true}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
