#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/rope_body.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {

// Rotary embedding of q and k with the KV append, AVX-512.
const KernelDef& rope_kv_append_avx512_kernel() {
  static const KernelDef kernel = {
      .name = "rope_kv_append_avx512",
      .op = "rope_kv_append",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports =
          [](const KernelDesc& desc) {
            if (cpu_isa() < CpuIsa::kAvx512) return std::string("needs AVX-512");
            return rope_supports(desc);
          },
      .prepare = rope_kv_append_prepare,
      .self_test =
          [] {
            return self_test(rope_kv_append_avx512_kernel(),
                             {{.attrs = {{"head_dim", int64_t{24}}},
                               .inputs = {{DType::kFloat32, {2, 48}},
                                          {DType::kFloat32, {2, 24}},
                                          {DType::kFloat32, {2, 24}},
                                          {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                                          {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                                          {DType::kInt32, {2}, false, {7, 40}},
                                          {DType::kInt32, {2}, false, {0, 0}},
                                          {DType::kInt32, {1, 2}, false, {1, 0}},
                                          {DType::kFloat32, {11}}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
