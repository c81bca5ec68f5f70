// linear as dot products along K, for every weight type, written against vec_<isa>.h.
//
// Each output is one chain: lane l of one accumulator takes k = l, l + kLanes, ... in order, then
// the lanes are added in the order of vsum4. The chain depends on K alone, so a row gives the same
// bits whatever the number of rows, and decoding in registers gives the same bits as decoding a
// panel first.
#pragma once

#include "kernels/cpu/decode_body.h"
#include "kernels/cpu/linear_common.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/store.h"
#include "kernels/cpu/vec_kernel.h"

namespace ingot::cpu {
namespace {

struct TileArgs {
  const float* x[6];  // rows of the tile
  std::byte* y[6];    // their outputs, at the block's first column
  const std::byte* w;
  int64_t w_stride;
  int64_t columns;  // weight rows in the block
  int64_t k;
  const float* bias;  // at the block's first column; may be null
  DType y_type;
};

// MR rows times NR weight rows starting at weight row `col`.
template <class P, int MR, int NR>
ISA_FN void dot_tile(const TileArgs& t, int64_t col) {
  Vec acc[MR][NR];
  for (int m = 0; m < MR; ++m) {
    for (int n = 0; n < NR; ++n) acc[m][n] = vzero();
  }
  const std::byte* w = t.w + col * t.w_stride;
  // The rows after this tile's are read next; long rows are fetched nearer.
  const int64_t ahead = NR * t.w_stride <= 32768 ? NR * t.w_stride : 2048;
  const int64_t whole = t.k / P::kStep * P::kStep;
  const std::byte* next = w + ahead;
  for (int64_t k = 0; k < whole; k += P::kStep, next += P::kStepBytes) {
    typename P::State state[NR];
#pragma GCC unroll 8
    for (int n = 0; n < NR; ++n) {
      state[n] = P::open(w + n * t.w_stride, k);
      if constexpr (MR <= 2) {
        _mm_prefetch(reinterpret_cast<const char*>(next + n * t.w_stride), _MM_HINT_T0);
      }
    }
#pragma GCC unroll 4
    for (int part = 0; part < P::kParts; ++part) {
      Vec weight[NR];
#pragma GCC unroll 8
      for (int n = 0; n < NR; ++n) weight[n] = P::get(state[n], part);
#pragma GCC unroll 6
      for (int m = 0; m < MR; ++m) {
        const Vec x = vload(t.x[m] + k + part * kLanes);
#pragma GCC unroll 8
        for (int n = 0; n < NR; ++n) acc[m][n] = vfma(x, weight[n], acc[m][n]);
      }
    }
  }
  if (whole < t.k) {
    const int64_t rest = t.k - whole;
    for (int n = 0; n < NR; ++n) {
      const Vec weight = P::get_n(P::open(w + n * t.w_stride, whole), rest);
      for (int m = 0; m < MR; ++m) {
        acc[m][n] = vfma(vload_n(t.x[m] + whole, rest), weight, acc[m][n]);
      }
    }
  }
  const int64_t size = t.y_type == DType::kFloat32 ? 4 : 2;
#pragma GCC unroll 6
  for (int m = 0; m < MR; ++m) {
    std::byte* y = t.y[m] + col * size;
    if constexpr (NR == 1) {
      const __m128 v = vsum4(acc[m][0], acc[m][0], acc[m][0], acc[m][0]);
      store1(y, t.y_type, t.bias ? _mm_add_ss(v, _mm_load_ss(t.bias + col)) : v);
    } else {
#pragma GCC unroll 2
      for (int n = 0; n < NR; n += 4) {
        const __m128 v = vsum4(acc[m][n], acc[m][n + 1], acc[m][n + 2], acc[m][n + 3]);
        store4(y + n * size, t.y_type, t.bias ? _mm_add_ps(v, _mm_loadu_ps(t.bias + col + n)) : v);
      }
    }
  }
}

// One row of x: four weight rows one behind the other, so that each thread reads memory as one
// stream (docs/decisions.md, 48). The bits are dot_tile's.
template <class P>
ISA_FN void dot_rows(const TileArgs& t, int64_t col) {
  Vec acc[4];
  const int64_t whole = t.k / P::kStep * P::kStep;
  for (int n = 0; n < 4; ++n) {
    const std::byte* w = t.w + (col + n) * t.w_stride;
    acc[n] = vzero();
    for (int64_t k = 0; k < whole; k += P::kStep) {
      const typename P::State state = P::open(w, k);
#pragma GCC unroll 4
      for (int part = 0; part < P::kParts; ++part) {
        acc[n] = vfma(vload(t.x[0] + k + part * kLanes), P::get(state, part), acc[n]);
      }
    }
    if (whole < t.k) {
      const int64_t rest = t.k - whole;
      acc[n] = vfma(vload_n(t.x[0] + whole, rest), P::get_n(P::open(w, whole), rest), acc[n]);
    }
  }
  const __m128 v = vsum4(acc[0], acc[1], acc[2], acc[3]);
  store4(t.y[0] + col * (t.y_type == DType::kFloat32 ? 4 : 2), t.y_type,
         t.bias ? _mm_add_ps(v, _mm_loadu_ps(t.bias + col)) : v);
}

template <class P, int MR>
inline void tile_columns(const TileArgs& t) {
  int64_t col = 0;
  if constexpr (MR == 1) {
    for (; col + 4 <= t.columns; col += 4) dot_rows<P>(t, col);
  }
  if constexpr (MR <= 2 && kWideRegisters) {
    for (; col + 8 <= t.columns; col += 8) dot_tile<P, MR, 8>(t, col);
  }
  for (; col + 4 <= t.columns; col += 4) dot_tile<P, MR, 4>(t, col);
  for (; col < t.columns; ++col) dot_tile<P, MR, 1>(t, col);
}

template <class P>
inline void tile_rows(const TileArgs& t, int rows) {
  if constexpr (P::kMaxRows >= 6) {
    if (rows == 6) return tile_columns<P, 6>(t);
    if (rows == 5) return tile_columns<P, 5>(t);
  }
  if constexpr (P::kMaxRows >= 4) {
    if (rows == 4) return tile_columns<P, 4>(t);
    if (rows == 3) return tile_columns<P, 3>(t);
  }
  if (rows == 2) return tile_columns<P, 2>(t);
  tile_columns<P, 1>(t);
}

// So few rows do not pay for a panel; the bits are the same.
constexpr int64_t kDirectRows = 4;

// Everything one launch needs besides the weight block.
struct LinearJob {
  const float* x;
  int64_t x_stride;  // elements
  int64_t m;
  int64_t k;
  const float* bias;
  const TensorView* y;
  bool panel;
};

template <class P>
void dot_block(const LinearJob& job, const WeightBlock& block, const std::byte* w,
               int64_t w_stride) {
  TileArgs t = {};
  t.w = w;
  t.w_stride = w_stride;
  t.columns = block.rows;
  t.k = job.k;
  t.bias = job.bias ? job.bias + block.first : nullptr;
  t.y_type = job.y->type.dtype;
  const int64_t y_offset = job.y->type.bytes(block.first);
  for (int64_t m = 0; m < job.m; m += P::kMaxRows) {
    const int rows = static_cast<int>(std::min<int64_t>(P::kMaxRows, job.m - m));
    for (int i = 0; i < rows; ++i) {
      t.x[i] = job.x + (m + i) * job.x_stride;
      t.y[i] = job.y->row(m + i) + y_offset;
    }
    tile_rows<P>(t, rows);
  }
}

class DotLinear final : public KernelInstance {
 public:
  DotLinear(const KernelDesc& desc, bool panel) : panel_(panel) {
    const int64_t k = desc.inputs[0].shape.back();
    x_stride_ = round_up(k, 16);
    rows_ = rows_of(desc.inputs[0].shape);
    if (desc.inputs[0].type != DType::kFloat32) x_bytes_ = rows_ * x_stride_ * 4;
    if (desc.inputs.size() > 2 && desc.inputs[2].present &&
        desc.inputs[2].type != DType::kFloat32) {
      bias_bytes_ = round_up(desc.inputs[1].shape[0], 16) * 4;
    }
  }
  size_t workspace_bytes() const override { return static_cast<size_t>(x_bytes_ + bias_bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView& x = args.inputs[0];
    const TensorView& w = args.inputs[1];
    LinearJob job = {x.as<float>(), x.row_bytes() / 4, x.rows(),
                     x.columns(),   nullptr,           &args.outputs[0]};
    if (job.m == 0) return;
    ThreadTeam& team = *context.team;
    std::vector<float> grown;
    if (x_bytes_ != 0) {
      auto* rows = reinterpret_cast<float*>(context.workspace.data());
      if (job.m > rows_) {  // a size without a limit: control flow told it
        grown.resize(static_cast<size_t>(job.m * x_stride_));
        rows = grown.data();
      }
      team.parallel_for(job.m, 16, [&](int64_t begin, int64_t end) {
        for (int64_t m = begin; m < end; ++m) decode_any_row(x, m, rows + m * x_stride_);
      });
      job.x = rows;
      job.x_stride = x_stride_;
    }
    if (args.inputs.size() > 2 && args.inputs[2].present()) {
      job.bias = args.inputs[2].as<float>();
      if (bias_bytes_ != 0) {
        auto* bias = reinterpret_cast<float*>(context.workspace.data() + x_bytes_);
        decode_any_row(args.inputs[2], 0, bias);
        job.bias = bias;
      }
    }
    job.panel = panel_ && (job.m > kDirectRows || !with_policy(w.type, [](auto) {}));
    const int64_t row_bytes = job.panel ? x_stride_ * 4 : w.type.bytes(job.k);
    const int64_t budget = job.panel ? 384 << 10 : (job.m > 2 ? 256 << 10 : 64 << 10);
    const WeightBlocks blocks(
        args, 1, block_rows(args.outputs[0].columns(), row_bytes, budget, 8, team.size()));
    team.parallel_for(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) run_block(job, blocks[b]);
    });
  }

 private:
  void run_block(const LinearJob& job, const WeightBlock& block) const {
    const TensorView& w = *block.piece;
    if (job.panel) {
      auto* panel =
          reinterpret_cast<float*>(thread_scratch(static_cast<size_t>(block.rows * x_stride_) * 4));
      for (int64_t r = 0; r < block.rows; ++r) {
        decode_any_row(w, block.piece_row + r, panel + r * x_stride_);
      }
      return dot_block<F32Policy>(job, block, reinterpret_cast<const std::byte*>(panel),
                                  x_stride_ * 4);
    }
    with_policy(w.type, [&](auto policy) {
      dot_block<decltype(policy)>(job, block, w.row(block.piece_row), w.row_bytes());
    });
  }

  bool panel_;
  int64_t rows_ = 0;
  int64_t x_stride_ = 0;  // elements of a converted row
  int64_t x_bytes_ = 0;
  int64_t bias_bytes_ = 0;
};

inline std::string dot_linear_supports(const KernelDesc& desc) {
  if (!is_activation_type(desc.inputs[0].type)) {
    return "input is " + desc.inputs[0].type.name();
  }
  if (!is_activation_type(desc.outputs[0].type)) {
    return "output is " + desc.outputs[0].type.name();
  }
  const ElementType& w = desc.inputs[1].type;
  if (!w.is_block() && !is_float(w.dtype)) return "weight is " + w.name();
  if (desc.inputs[0].shape.back() == 0) return "K is 0";
  return "";
}

// "direct" decodes weights in registers for every tile of rows, "panel" once into scratch: equal
// bits, so both count as one invariant kernel.
inline std::vector<std::string> dot_linear_tactics(const KernelDesc& desc) {
  const ElementType& w = desc.inputs[1].type;
  if (w == DType::kFloat32) return {"direct"};
  if (!with_policy(w, [](auto) {})) return {"panel"};
  if (rows_of(desc.inputs[0].shape) <= kDirectRows) return {"direct"};
  if (rows_of(desc.inputs[0].shape) > 16) return {"panel", "direct"};
  return {"direct", "panel"};
}

inline std::unique_ptr<KernelInstance> dot_linear_prepare(const KernelDesc& desc,
                                                          std::string_view tactic) {
  return std::make_unique<DotLinear>(desc, tactic == "panel");
}

inline std::vector<SelfTestCase> linear_cases() {
  std::vector<SelfTestCase> cases = {
      {.attrs = {}, .inputs = {{DType::kFloat32, {7, 70}}, {DType::kFloat32, {13, 70}, true}}}};
  for (const BlockFormat* format : tensor_format_list()) {
    const ElementType type(*format);
    const int64_t k = 2 * format->block_elements;
    if (!with_policy(type, [](auto) {})) continue;
    cases.push_back({.attrs = {}, .inputs = {{DType::kFloat32, {5, k}}, {type, {13, k}, true}}});
  }
  return cases;
}
// Weights of any float type or block format, float32 arithmetic.
template <const KernelDef& (*kSelf)()>
KernelDef linear_vec_kernel(std::string_view name) {
  KernelDef kernel =
      vec_kernel<kSelf, dot_linear_supports, linear_cases>(name, "linear", dot_linear_prepare);
  kernel.version = 2;
  kernel.tactics = dot_linear_tactics;
  return kernel;
}

}  // namespace
}  // namespace ingot::cpu
