#include "kernels/cuda/arch/gemv.cuh"

namespace ingot::cuda {
namespace kernel_linear_gemv_block {

constexpr int kOut = 2;

// A lane decodes 32 weights of each column at a time.
template <class Decoder, int kRows>
__global__ void __launch_bounds__(32 * kGemvWarps) gemv(GemvArgs a) {
  const GemvPlace place = gemv_place(a, kOut);
  const std::byte* w[kOut];
#pragma unroll
  for (int r = 0; r < kOut; ++r) {
    const int64_t n = place.first + r < a.n ? place.first + r : a.n - 1;
    w[r] = piece_row(a.weight, n);
  }
  float acc[kRows][kOut] = {};
  const int64_t parts = a.k / 32;
  for (int64_t p = threadIdx.x % 32 + 32 * place.part; p < parts; p += 32 * a.split) {
    float weight[kOut][32];
#pragma unroll
    for (int r = 0; r < kOut; ++r) Decoder::part(w[r], p, a.k, weight[r]);
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
  gemv_finish(a, place, acc);
}

template <class Decoder>
void run(const GemvArgs& a, cudaStream_t stream) {
  constexpr int kThreads = 32 * kGemvWarps;
  const unsigned blocks = gemv_blocks(a, kOut);
  if (a.m == 1) {
    gemv<Decoder, 1><<<blocks, kThreads, 0, stream>>>(a);
  } else if (a.m <= 4) {
    gemv<Decoder, 4><<<blocks, kThreads, 0, stream>>>(a);
  } else {
    gemv<Decoder, 8><<<blocks, kThreads, 0, stream>>>(a);
  }
}

std::string supports(const KernelDesc& desc) {
  const ElementType& w = desc.inputs[1].type;
  if (!is_block_decodable(w)) return "weight is " + w.name();
  return gemv_supports(desc);
}

// Warps that share K.
std::vector<std::string> tactics(const KernelDesc& desc) {
  if (desc.inputs[1].shape[0] >= 8192) return {"split1", "split2", "split4"};
  return {"split4", "split1", "split2", "split8"};
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  const std::string name = tactic.empty() ? tactics(desc)[0] : std::string(tactic);
  const int split = name.back() - '0';
  return make_instance([split](const LaunchArgs& args, ExecContext& context) {
    const GemvArgs a = gemv_args(args, split);
    if (a.m == 0) return;
    CHECK_LE(a.m, kMostGemvRows);
    with_block_decoder(*args.inputs[1].type.block, [&](auto decoder) {
      run<decltype(decoder)>(a, cuda_stream(context.stream));
    });
    check_launch("linear_gemv_block");
  });
}

}  // namespace kernel_linear_gemv_block

// Up to eight rows, weights in block formats decoded in registers.
const KernelDef& linear_gemv_block_kernel() {
  using namespace kernel_linear_gemv_block;
  static const KernelDef kernel = {.name = "linear_gemv_block",
                                   .op = "linear",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = supports,
                                   .tactics = tactics,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
