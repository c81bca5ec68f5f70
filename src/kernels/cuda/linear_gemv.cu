#include "kernels/cuda/arch/gemv.cuh"
#include "kernels/cuda/arch/streamed.cuh"

namespace ingot::cuda {
namespace kernel_linear_gemv {

// K is a multiple of 8 and every weight row lies at a 16-byte boundary. Rows past m repeat the last
// one; they are not stored.
template <class X, class W, int kRows, int kOut>
__global__ void __launch_bounds__(kGemvThreads) gemv(GemvArgs a) {
  let_next_start();
  const GemvPlace place = gemv_place(a, kOut);
  const W* w[kOut];
  gemv_weight_rows(a, place, w);
  const X* x[kRows];
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
    x[m] = static_cast<const X*>(a.x.data) + (m < a.m ? m : a.m - 1) * a.x_stride;
  }
  float acc[kRows][kOut] = {};
  constexpr int kAhead = 8 / kOut;  // eight words of weights in flight
  const int64_t step = 256 * a.split;
  for (int64_t k0 = 8 * (threadIdx.x % 32 + 32 * place.part); k0 < a.k; k0 += kAhead * step) {
    Raw8<W> raw[kAhead][kOut];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const int64_t k = k0 + u * step;
#pragma unroll
      for (int r = 0; r < kOut; ++r) {
        if (k < a.k) raw[u][r].load(w[r] + k);
      }
    }
    wait_for_earlier();  // with weights on their way
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const int64_t k = k0 + u * step;
      if (k >= a.k) break;
      float weight[kOut][8];
#pragma unroll
      for (int r = 0; r < kOut; ++r) raw[u][r].unpack(weight[r]);
#pragma unroll
      for (int m = 0; m < kRows; ++m) {
        float v[8];
        load8(x[m] + k, 8, a.x_vector, v);
#pragma unroll
        for (int r = 0; r < kOut; ++r) {
#pragma unroll
          for (int i = 0; i < 8; ++i) acc[m][r] = fmaf(v[i], weight[r][i], acc[m][r]);
        }
      }
    }
  }
  wait_for_earlier();  // also warps that had no part of K
  gemv_finish(a, place, acc);
}

template <class X, class W>
void run(const GemvArgs& a, int out, ExecContext& context) {
  void (*kernel)(GemvArgs) = gemv<X, W, 8, 2>;
  if (a.m <= 4) kernel = gemv<X, W, 4, 2>;
  if (a.m == 2) kernel = gemv<X, W, 2, 2>;
  if (a.m == 1) kernel = out == 4 ? gemv<X, W, 1, 4> : gemv<X, W, 1, 2>;
  launch_early("linear_gemv", context, kernel, gemv_grid(a, a.m == 1 ? out : 2), 0, a);
}

// Pairs of types that are compiled: equal ones, and float32 rows with 16-bit weights.
template <class F>
bool with_types(const ElementType& x, const ElementType& w, F&& f) {
  if (x == DType::kFloat32) {
    return with_float(w, [&](auto weight) { f(float{}, weight); });
  }
  if (!(x == w)) return false;
  return with_float(x, [&](auto tag) { f(tag, tag); });
}

struct Tactic {
  const char* name;
  int out, split;
};
constexpr Tactic kTactics[] = {{"out2_split1", 2, 1}, {"out4_split1", 4, 1}, {"out2_split2", 2, 2},
                               {"out2_split4", 2, 4}, {"out2_split8", 2, 8}, {"out4_split4", 4, 4}};

// Enough warps for the device first.
std::vector<std::string> tactics(const KernelDesc& desc) {
  const int64_t n = desc.inputs[1].shape[0];
  const size_t best = n >= 16384 ? 0 : n >= 8192 ? 2 : n >= 2048 ? 3 : 4;
  std::vector<std::string> names = {kTactics[best].name};
  const bool one_row = rows_of(desc.inputs[0].shape) == 1;
  for (const Tactic& t : kTactics) {
    if (t.name != names[0] && (t.out == 2 || one_row)) names.emplace_back(t.name);
  }
  return names;
}

std::string supports(const KernelDesc& desc) {
  const ElementType& x = desc.inputs[0].type;
  const ElementType& w = desc.inputs[1].type;
  if (w.is_block()) return "weight is " + w.name();
  if (!is_activation(x) || !with_types(x, w, [](auto, auto) {})) {
    return "input is " + x.name() + ", weight is " + w.name();
  }
  if (!desc.inputs[1].constant) return "weight is computed";  // it is read before the wait
  if (desc.inputs[0].shape.back() % 8 != 0) return "K is not a multiple of 8";
  return gemv_supports(desc);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  Tactic chosen = kTactics[0];
  for (const Tactic& t : kTactics) {
    if (tactic.empty() ? tactics(desc)[0] == t.name : tactic == t.name) chosen = t;
  }
  const auto launch = [out = chosen.out](const GemvArgs& a, const LaunchArgs& args,
                                         ExecContext& context) {
    CHECK_MSG(is_vector_aligned(a.weight), "weights are not at 16-byte boundaries");
    with_types(args.inputs[0].type, args.inputs[1].type,
               [&](auto x, auto w) { run<decltype(x), decltype(w)>(a, out, context); });
  };
  return gemv_instance(chosen.split, launch);
}

}  // namespace kernel_linear_gemv

// Up to eight rows, weights of any activation type.
const KernelDef& linear_gemv_kernel() {
  using namespace kernel_linear_gemv;
  static const KernelDef kernel = {.name = "linear_gemv",
                                   .op = "linear",
                                   .device = "cuda",
                                   .version = 2,
                                   .priority = 30,
                                   .supports = supports,
                                   .tactics = tactics,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
