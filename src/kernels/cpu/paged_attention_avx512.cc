#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/attention_body.h"
#include "kernels/cpu/contract/self_test.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Online softmax in order of position, AVX-512.
const KernelDef& paged_attention_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "paged_attention_avx512",
      .op = "paged_attention",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return attention_supports(desc);
          },
      .prepare = attention_prepare,
      .self_test =
          [] {
            return self_test(paged_attention_avx512_kernel(),
                             {{.attrs = {{"head_dim", int64_t{24}}, {"scale", 0.2}},
                               .inputs = {{DType::kFloat32, {2, 48}},
                                          {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                                          {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                                          {DType::kInt32, {2}, false, {39, 40}},
                                          {DType::kInt32, {2}, false, {0, 0}},
                                          {DType::kInt32, {2}, false, {0, 2}},
                                          {DType::kInt32, {1}, false, {41}},
                                          {DType::kInt32, {1, 2}, false, {1, 0}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
