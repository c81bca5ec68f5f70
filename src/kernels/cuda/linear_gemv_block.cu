// unit: large
#include "kernels/cuda/arch/gemv.cuh"
#include "kernels/cuda/arch/gemv_block.cuh"

namespace ingot::cuda {
namespace kernel_linear_gemv_block {

constexpr int kOut = 2;

// A lane decodes 32 weights of each column at a time.
template <class Decoder, int kRows>
__global__ void __launch_bounds__(32 * kGemvWarps) gemv(GemvArgs a) {
  if (a.next_start == NextStart::kAtOnce) let_next_start();
  const GemvPlace place = gemv_place(a, kOut);
  const std::byte* w[kOut];
  gemv_weight_rows(a, place, w);
  float acc[kRows][kOut] = {};
  const int64_t parts = a.k / 32;
  for (int64_t p = threadIdx.x % 32 + 32 * place.part; p < parts; p += 32 * a.split) {
    float weight[kOut][32];
#pragma unroll
    for (int r = 0; r < kOut; ++r) Decoder::part(w[r], p, a.k, weight[r]);
    wait_for_earlier();  // with weights decoded
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      const int64_t at = (m < a.m ? m : a.m - 1) * a.x_stride + 32 * p;
#pragma unroll
      for (int c = 0; c < 32; c += 8) {
        float v[8];
        load8_any(a.x, at + c, 8, a.x_vector, v);
#pragma unroll
        for (int r = 0; r < kOut; ++r) {
#pragma unroll
          for (int i = 0; i < 8; ++i) acc[m][r] = fmaf(v[i], weight[r][c + i], acc[m][r]);
        }
      }
    }
  }
  wait_for_earlier();  // also warps that had no part of K
  gemv_finish(a, place, acc);
}

template <class Decoder>
void run(const char* name, const GemvArgs& a, ExecContext& context) {
  const auto kernel = a.m == 1 ? gemv<Decoder, 1> : a.m <= 4 ? gemv<Decoder, 4> : gemv<Decoder, 8>;
  launch_early(name, context, kernel, gemv_grid(a, kOut), 0, a);
}

}  // namespace kernel_linear_gemv_block

std::string gemv_block_supports(const KernelDesc& desc) {
  const ElementType& w = desc.inputs[1].type;
  if (!is_block_decodable(w)) return "weight is " + w.name();
  if (!desc.inputs[1].constant) return "weight is computed";  // it is read before the wait
  return gemv_supports(desc);
}

// Warps that share K.
std::vector<std::string> gemv_block_tactics(const KernelDesc& desc) {
  if (desc.inputs[1].shape[0] >= 8192) return {"split1", "split2", "split4"};
  return {"split4", "split1", "split2", "split8"};
}

std::unique_ptr<KernelInstance> gemv_block_instance(const char* name, const KernelDesc& desc,
                                                    std::string_view tactic) {
  const std::string wanted = tactic.empty() ? gemv_block_tactics(desc)[0] : std::string(tactic);
  const int split = wanted.back() - '0';
  const auto launch = [name](const GemvArgs& a, const LaunchArgs& args, ExecContext& context) {
    with_block_decoder(*args.inputs[1].type.block, [&](auto decoder) {
      kernel_linear_gemv_block::run<decltype(decoder)>(name, a, context);
    });
  };
  return gemv_instance(desc, split, kGemvWarps, launch, next_start(desc));
}

// Up to eight rows, weights in block formats decoded in registers.
const KernelDef& linear_gemv_block_kernel() {
  static const KernelDef kernel = {.name = "linear_gemv_block",
                                   .op = "linear",
                                   .device = "cuda",
                                   .version = 2,
                                   .priority = 30,
                                   .supports = gemv_block_supports,
                                   .tactics = gemv_block_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return gemv_block_instance("linear_gemv_block", desc, tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
