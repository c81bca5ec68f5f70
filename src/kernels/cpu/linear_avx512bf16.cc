#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/decode_body.h"
#include "kernels/cpu/linear_common.h"
#include "kernels/cpu/store.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {
namespace {

#define BF16_FN INGOT_TARGET_AVX512BF16

constexpr int kMaxRows = 6;

struct Tile {
  const uint16_t* x[kMaxRows];
  std::byte* y[kMaxRows];  // at the block's first column
  const uint16_t* w;
  int64_t w_stride;  // elements
  int64_t columns;
  int64_t k;
  const float* bias;  // at the block's first column; may be null
  DType y_type;
};

// Dot products of MR rows with NR weight rows. One chain an output: lane l takes the pairs
// k = 2l, 2l+1 of every 32 in order, the lanes are added as vsum4 does; it depends on K alone.
template <int MR, int NR>
BF16_FN void dot_tile(const Tile& t, int64_t col) {
  __m512 acc[MR][NR];
  for (int m = 0; m < MR; ++m) {
    for (int n = 0; n < NR; ++n) acc[m][n] = _mm512_setzero_ps();
  }
  const uint16_t* w = t.w + col * t.w_stride;
  const int64_t ahead = NR * t.w_stride <= 16384 ? NR * t.w_stride : 1024;
  for (int64_t k = 0; k < t.k; k += 32) {
    const int64_t rest = t.k - k;
    const __mmask32 mask = rest >= 32 ? ~0u : (1u << rest) - 1u;
    __m512i weight[NR];
#pragma GCC unroll 8
    for (int n = 0; n < NR; ++n) {
      weight[n] = _mm512_maskz_loadu_epi16(mask, w + n * t.w_stride + k);
      if constexpr (MR <= 2) {
        _mm_prefetch(reinterpret_cast<const char*>(w + n * t.w_stride + k + ahead), _MM_HINT_T0);
      }
    }
#pragma GCC unroll 6
    for (int m = 0; m < MR; ++m) {
      const __m512i x = _mm512_maskz_loadu_epi16(mask, t.x[m] + k);
#pragma GCC unroll 8
      for (int n = 0; n < NR; ++n) {
        acc[m][n] = _mm512_dpbf16_ps(acc[m][n], (__m512bh)x, (__m512bh)weight[n]);
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

template <int MR>
void tile_columns(const Tile& t) {
  int64_t col = 0;
  if constexpr (MR <= 2) {
    for (; col + 8 <= t.columns; col += 8) dot_tile<MR, 8>(t, col);
  }
  for (; col + 4 <= t.columns; col += 4) dot_tile<MR, 4>(t, col);
  for (; col < t.columns; ++col) dot_tile<MR, 1>(t, col);
}

class Bf16Linear final : public KernelInstance {
 public:
  explicit Bf16Linear(const KernelDesc& desc) {
    if (desc.inputs.size() > 2 && desc.inputs[2].present &&
        desc.inputs[2].type != DType::kFloat32) {
      bias_bytes_ = round_up(desc.inputs[1].shape[0], 16) * 4;
    }
  }
  size_t workspace_bytes() const override { return static_cast<size_t>(bias_bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView& w = args.inputs[1];
    const int64_t m = args.inputs[0].rows();
    if (m == 0) return;
    const float* bias = nullptr;
    if (args.inputs.size() > 2 && args.inputs[2].present()) {
      bias = args.inputs[2].as<float>();
      if (bias_bytes_ != 0) {
        auto* decoded = reinterpret_cast<float*>(context.workspace.data());
        decode_any_row(args.inputs[2], 0, decoded);
        bias = decoded;
      }
    }
    const int64_t budget = m > 2 ? 256 << 10 : 64 << 10;
    const WeightBlocks blocks(
        args, 1,
        block_rows(w.shape[0], w.type.bytes(w.columns()), budget, 8, context.team->size()));
    context.team->parallel_for(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) run_block(args, blocks[b], bias);
    });
  }

 private:
  static void run_block(const LaunchArgs& args, const WeightBlock& block, const float* bias) {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    Tile t = {};
    t.w = block.piece->row_as<uint16_t>(block.piece_row);
    t.w_stride = block.piece->row_bytes() / 2;
    t.columns = block.rows;
    t.k = x.columns();
    t.bias = bias ? bias + block.first : nullptr;
    t.y_type = y.type.dtype;
    constexpr void (*kRows[])(const Tile&) = {tile_columns<1>, tile_columns<2>, tile_columns<3>,
                                              tile_columns<4>, tile_columns<5>, tile_columns<6>};
    for (int64_t m = 0; m < x.rows(); m += kMaxRows) {
      const int64_t rows = std::min<int64_t>(kMaxRows, x.rows() - m);
      for (int64_t i = 0; i < rows; ++i) {
        t.x[i] = x.row_as<uint16_t>(m + i);
        t.y[i] = y.row(m + i) + y.type.bytes(block.first);
      }
      kRows[rows - 1](t);
    }
  }

  int64_t bias_bytes_ = 0;
};

}  // namespace

// bfloat16 weights and activations, AVX512-BF16 dot products with float32 accumulation.
const KernelDef& linear_avx512bf16_kernel() {
  static const KernelDef kernel = {
      .name = "linear_avx512bf16",
      .op = "linear",
      .device = "cpu",
      .invariant = true,
      .priority = 30,
      .supports = [](const KernelDesc& desc) -> std::string {
        if (cpu_isa() < CpuIsa::kAvx512Bf16) return "needs AVX512-BF16";
        if (desc.inputs[0].type != DType::kBFloat16) return "input is not bfloat16";
        if (desc.inputs[1].type != DType::kBFloat16) return "weight is not bfloat16";
        return is_activation_type(desc.outputs[0].type) ? "" : "output type";
      },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Bf16Linear>(desc);
      },
      .self_test =
          [] {
            return self_test(
                linear_avx512bf16_kernel(),
                {{.inputs = {{DType::kBFloat16, {7, 70}}, {DType::kBFloat16, {13, 70}, true}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
