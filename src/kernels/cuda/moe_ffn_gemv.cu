// unit: large
#include "kernels/cuda/arch/moe_gemv.cuh"
#include "kernels/cuda/arch/streamed.cuh"

namespace ingot::cuda {
namespace kernel_moe_ffn_gemv {

constexpr int64_t kMostDirectPairs = 64;

// Rows and weights of one type, eight elements a lane at a time.
template <class T>
struct Floats {
  static constexpr int kRows = 8;
  static constexpr int kFew = 4;

  template <int kRows, int kOut, bool kOwn>
  static __device__ void dot(const AnyFloats& x, const int64_t (&at)[kOwn ? kOut : kRows],
                             const std::byte* const (&w)[kOut], int depth,
                             float (&acc)[kRows][kOut]) {
    constexpr int kAhead = 8 / kOut;  // eight words of weights in flight
    const T* rows = static_cast<const T*>(x.data);
    for (int k0 = 8 * (threadIdx.x % 32); k0 < depth; k0 += kAhead * 256) {
      Raw8<T> raw[kAhead][kOut];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int k = k0 + 256 * u;
#pragma unroll
        for (int r = 0; r < kOut; ++r) {
          if (k < depth) raw[u][r].load(reinterpret_cast<const T*>(w[r]) + k);
        }
      }
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int k = k0 + 256 * u;
        if (k >= depth) break;
        float weight[kOut][8];
#pragma unroll
        for (int r = 0; r < kOut; ++r) raw[u][r].unpack(weight[r]);
#pragma unroll
        for (int m = 0; m < (kOwn ? kOut : kRows); ++m) {
          float v[8];
          load8(rows + at[m] + k, v);
#pragma unroll
          for (int r = kOwn ? m : 0; r < (kOwn ? m + 1 : kOut); ++r) {
#pragma unroll
            for (int i = 0; i < 8; ++i) {
              float& sum = acc[kOwn ? 0 : m][r];
              sum = fmaf(v[i], weight[r][i], sum);
            }
          }
        }
      }
    }
  }
};

template <class T>
void run(const MoeArgs& a, bool direct, ExecContext& context) {
  if (!direct) {
    launch_grouping("moe_ffn_gemv", a, context);
    launch_gate<Floats<T>>("moe_ffn_gemv", a, context);
    launch_down<Floats<T>>("moe_ffn_gemv", a, context);
    return launch_combine("moe_ffn_gemv", a, context);
  }
  launch_early("moe_ffn_gemv", context, gate_direct<Floats<T>>,
               {ceil_div(a.inner, kMoeWarps), a.pairs, kMoeThreads}, 0, a);
  launch_early("moe_ffn_gemv", context, down_direct<Floats<T>>,
               {ceil_div(a.hidden, kMoeWarps), a.tokens, kMoeThreads}, 0, a);
}

std::string supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[kMoeX].type;
  for (size_t i : {kMoeGate, kMoeDown}) {
    if (!(desc.inputs[i].type == type)) return "weights are " + desc.inputs[i].type.name();
  }
  return moe_gemv_supports(desc, 8);
}

// "direct": a pair reads its expert's weights by itself, which takes two launches; "grouped": up to
// eight of an expert's pairs read them together, which takes four.
std::vector<std::string> tactics(const KernelDesc& desc) {
  const int64_t pairs = moe_pairs(desc);
  if (pairs > kMostDirectPairs) return {"grouped"};
  if (2 * pairs > desc.inputs[kMoeDown].shape[0] && desc.inputs[kMoeX].shape[0] > 1) {
    return {"grouped", "direct"};
  }
  return {"direct", "grouped"};
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  const bool direct = tactic.empty() ? tactics(desc)[0] == "direct" : tactic == "direct";
  return make_workspace_instance(moe_workspace_bytes(desc), [direct, attrs = desc.attrs](
                                                                const LaunchArgs& args,
                                                                ExecContext& context) {
    if (args.inputs[kMoeX].rows() == 0) return;
    const MoeArgs a = moe_args(args, attrs, context);
    with_float(args.inputs[kMoeX].type, [&](auto tag) { run<decltype(tag)>(a, direct, context); });
  });
}

}  // namespace kernel_moe_ffn_gemv

// Activation types, weights of the same type, any number of tokens; meant for few.
const KernelDef& moe_ffn_gemv_kernel() {
  using namespace kernel_moe_ffn_gemv;
  static const KernelDef kernel = {.name = "moe_ffn_gemv",
                                   .op = "moe_ffn",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .tactics = tactics,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
