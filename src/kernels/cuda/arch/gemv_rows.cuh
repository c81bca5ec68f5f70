// Linear layers of up to eight rows whose weights are of activation types: the kernel, its tactics
// and what it runs. A policy (arch/linear_unit.cuh) makes outputs of sums, another inputs of x.
#pragma once

#include "kernels/cuda/arch/gemv_input.cuh"
#include "kernels/cuda/arch/streamed.cuh"

namespace ingot::cuda {

// K is a multiple of 8 and every weight row lies at a 16-byte boundary. Rows past m repeat the last
// one; they are not stored.
template <class X, class W, int kRows, int kOut, class Unit, class Input>
__global__ void __launch_bounds__(32 * kMostGemvWarps)
    gemv_rows(GemvArgs a, Unit unit, Input input) {
  if (a.next_start == NextStart::kAtOnce) let_next_start();
  const GemvPlace place = gemv_place(a, kOut / Unit::kParts);
  const W* w[kOut];
  gemv_weight_rows<Unit>(a, place, w);
  const X* x[kRows];
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
    x[m] = static_cast<const X*>(a.x.data) + (m < a.m ? m : a.m - 1) * a.x_stride;
  }
  float acc[kRows][kOut] = {};
  float squares[kRows] = {};        // of x, where it is normed
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
    if (a.next_start == NextStart::kAfterWait) let_next_start();
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const int64_t k = k0 + u * step;
      if (k >= a.k) break;
      float weight[kOut][8];
#pragma unroll
      for (int r = 0; r < kOut; ++r) raw[u][r].unpack(weight[r]);
      float norm[8];
      if constexpr (Input::kNorm) load8_any(input.weight, k, 8, input.vector, norm);
#pragma unroll
      for (int m = 0; m < kRows; ++m) {
        float v[8];
        load8(x[m] + k, 8, a.x_vector, v);
        if constexpr (Input::kNorm) {
#pragma unroll
          for (int i = 0; i < 8; ++i) {
            squares[m] = fmaf(v[i], v[i], squares[m]);
            v[i] *= norm[i] + input.weight_offset;
          }
        }
#pragma unroll
        for (int r = 0; r < kOut; ++r) {
#pragma unroll
          for (int i = 0; i < 8; ++i) acc[m][r] = fmaf(v[i], weight[r][i], acc[m][r]);
        }
      }
    }
  }
  wait_for_earlier();  // also warps that had no part of K
  if constexpr (Input::kNorm) scale_by_norm(a, place, input.epsilon, squares, acc);
  gemv_finish(a, place, acc, unit);
}

// Weight rows of a group, at the most.
constexpr int most_gemv_out(size_t weight_bytes, int64_t rows) {
  return rows > 1 ? 2 : weight_bytes > 2 ? 4 : 8;
}

template <class X, class W, int kRows, class Unit, class Input>
void launch_gemv_rows(std::string_view name, const GemvArgs& a, int out, Unit unit, Input input,
                      ExecContext& context) {
  constexpr int kMost = most_gemv_out(sizeof(W), kRows);
  CHECK_LE(out, kMost);
  void (*kernel)(GemvArgs, Unit, Input) = gemv_rows<X, W, kRows, 2, Unit, Input>;
  if constexpr (kMost >= 4) {
    if (out == 4) kernel = gemv_rows<X, W, kRows, 4, Unit, Input>;
  }
  if constexpr (kMost >= 8) {
    if (out == 8) kernel = gemv_rows<X, W, kRows, 8, Unit, Input>;
  }
  launch_early(name, context, kernel, gemv_grid(a, out / Unit::kParts), 0, a, unit, input);
}
template <class X, class W, class Unit, class Input>
void launch_gemv_rows(std::string_view name, const GemvArgs& a, int out, Unit unit, Input input,
                      ExecContext& context) {
  const auto launch = a.m == 1   ? launch_gemv_rows<X, W, 1, Unit, Input>
                      : a.m == 2 ? launch_gemv_rows<X, W, 2, Unit, Input>
                      : a.m <= 4 ? launch_gemv_rows<X, W, 4, Unit, Input>
                                 : launch_gemv_rows<X, W, 8, Unit, Input>;
  launch(name, a, out, unit, input, context);
}

// Pairs of types that are compiled: equal ones, and float32 rows with 16-bit weights.
template <class F>
bool with_gemv_types(const ElementType& x, const ElementType& w, F&& f) {
  if (x == DType::kFloat32) {
    return with_float(w, [&](auto weight) { f(float{}, weight); });
  }
  if (!(x == w)) return false;
  return with_float(x, [&](auto tag) { f(tag, tag); });
}

// `out`: weight rows of a group. Blocks that end soon, with all or much of their weights on their
// way at once, deal themselves out evenly: multiprocessors get weights at rates that differ by a
// third (docs/decisions.md, 80 and 91).
struct GemvTactic {
  const char* name;
  int out, split, warps;
};
constexpr GemvTactic kGemvTactics[] = {
    {"out2_split1", 2, 1, 8},        {"out2_split2", 2, 2, 8},
    {"out2_split4", 2, 4, 8},        {"out2_split8", 2, 8, 8},
    {"out4_split1", 4, 1, 8},        {"out4_split4", 4, 4, 8},
    {"out4_split8", 4, 8, 8},        {"out4_split2_warps4", 4, 2, 4},
    {"out8_split1_warps4", 8, 1, 4}, {"out8_split4_warps4", 8, 4, 4},
    {"out8_split8", 8, 8, 8},        {"out8_split8_warps16", 8, 8, 16},
    {"out8_split1_warps2", 8, 1, 2}, {"out8_split2_warps2", 8, 2, 2}};

constexpr bool gemv_tactics_fit() {
  for (const GemvTactic& t : kGemvTactics) {
    if (t.warps > kMostGemvWarps || t.warps % t.split != 0 || 8 % t.out != 0) return false;
  }
  return true;
}
static_assert(gemv_tactics_fit());

inline const GemvTactic& gemv_tactic(std::string_view kernel, std::string_view name) {
  for (const GemvTactic& t : kGemvTactics) {
    if (t.name == name) return t;
  }
  fail(ErrorCode::kInternal, "kernels/cuda", "{}: unknown tactic '{}'", kernel, name);
}

// Without measurements: enough warps for the device, and many weights under way. Of a short K eight
// warps have no full share.
inline std::string_view first_gemv_tactic(int64_t rows, int64_t n, int64_t k, int most) {
  if (n < 2048) return "out2_split8";
  if (rows == 1 && most == 8 && k >= 2048) {
    return n < 16384 ? "out8_split8" : "out8_split1_warps4";
  }
  return n < 8192 ? "out2_split4" : n < 16384 ? "out2_split2" : "out2_split1";
}
inline std::vector<std::string> gemv_rows_tactics(const KernelDesc& desc) {
  const OperandDesc& weight = desc.inputs[1];
  const int64_t rows = rows_of(desc.inputs[0].shape);
  const int most = most_gemv_out(dtype_size(weight.type.dtype), rows);
  std::vector<std::string> names = {
      std::string(first_gemv_tactic(rows, weight.shape[0], weight.shape[1], most))};
  for (const GemvTactic& t : kGemvTactics) {
    if (t.name != names[0] && t.out <= most) names.emplace_back(t.name);
  }
  return names;
}

inline std::string gemv_rows_supports(const KernelDesc& desc) {
  const ElementType& x = desc.inputs[0].type;
  const ElementType& w = desc.inputs[1].type;
  if (w.is_block()) return "weight is " + w.name();
  if (!is_activation(x) || !with_gemv_types(x, w, [](auto, auto) {})) {
    return "input is " + x.name() + ", weight is " + w.name();
  }
  if (!desc.inputs[1].constant) return "weight is computed";  // it is read before the wait
  if (desc.inputs[0].shape.back() % 8 != 0) return "K is not a multiple of 8";
  return gemv_supports(desc);
}

// `name` is the KernelDef's.
template <class Unit, class Input = PlainInput>
std::unique_ptr<KernelInstance> gemv_rows_instance(const char* name, const KernelDesc& desc,
                                                   std::string_view tactic) {
  const std::string wanted = tactic.empty() ? gemv_rows_tactics(desc)[0] : std::string(tactic);
  const GemvTactic& chosen = gemv_tactic(name, wanted);
  const auto launch = [name, out = chosen.out, unit = Unit::of(desc.attrs),
                       input = Input::of(desc.attrs)](const GemvArgs& a, const LaunchArgs& args,
                                                      ExecContext& context) {
    CHECK_MSG(is_vector_aligned(a.weight), "weights are not at 16-byte boundaries");
    with_gemv_types(args.inputs[0].type, args.inputs[1].type, [&](auto x, auto w) {
      launch_gemv_rows<decltype(x), decltype(w)>(name, a, out, unit, input.bound(args), context);
    });
  };
  const NextStart next = Input::kNorm ? NextStart::kAfterWait : next_start(desc);
  return gemv_instance(desc, chosen.split, chosen.warps, launch, next);
}

// gemv_rows_instance of plain products, also with a residual; linear_gemv.cu compiles its kernels.
std::unique_ptr<KernelInstance> plain_gemv_rows(const char* name, const KernelDesc& desc,
                                                std::string_view tactic);

}  // namespace ingot::cuda
