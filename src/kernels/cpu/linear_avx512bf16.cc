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
constexpr int64_t kFirstCache = 24 << 10;  // what x may take of it

struct Tile {
  const uint16_t* x[kMaxRows];
  std::byte* y[kMaxRows];  // at the block's first column
  const uint16_t* w;
  int64_t w_stride;  // elements
  int64_t k;
  const float* bias;  // at the block's first column; may be null
  DType y_type;
};

// Asks for the weights that are read next, line by line as they lie in memory: a thread that reads
// one stream gets all of its rate, one that reads eight rows side by side 70 % (docs/decisions.md,
// 48).
struct Ahead {
  const char* at = nullptr;  // null: nothing
  const char* end = nullptr;
  BF16_FN void next(int lines) {
    for (int i = 0; i < lines && at < end; ++i, at += 64) _mm_prefetch(at, _MM_HINT_T0);
  }
};

BF16_FN __m512i load_pairs(const uint16_t* p, int64_t left) {
  return _mm512_maskz_loadu_epi16(left >= 32 ? ~0u : (1u << left) - 1u, p);
}

// One weight row for each lane of the sums; NR = 1 uses the first alone.
template <int NR>
BF16_FN void store_sums(const Tile& t, int m, int64_t col, __m512 a, __m512 b, __m512 c, __m512 d) {
  std::byte* y = t.y[m] + col * (t.y_type == DType::kFloat32 ? 4 : 2);
  const __m128 v = vsum4(a, b, c, d);
  if constexpr (NR == 1) {
    store1(y, t.y_type, t.bias ? _mm_add_ss(v, _mm_load_ss(t.bias + col)) : v);
  } else {
    store4(y, t.y_type, t.bias ? _mm_add_ps(v, _mm_loadu_ps(t.bias + col)) : v);
  }
}

// Dot products of MR rows with NR weight rows, 1 or 4. One chain an output: lane l takes the pairs
// k = 2l, 2l+1 of every 32 in order, the lanes are added as vsum4 does; it depends on K alone.
template <int MR, int NR>
BF16_FN void dot_tile(const Tile& t, int64_t col, Ahead ahead) {
  __m512 acc[MR][NR];
  for (int m = 0; m < MR; ++m) {
    for (int n = 0; n < NR; ++n) acc[m][n] = _mm512_setzero_ps();
  }
  const uint16_t* w = t.w + col * t.w_stride;
  for (int64_t k = 0; k < t.k; k += 32) {
    __m512i weight[NR];
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) weight[n] = load_pairs(w + n * t.w_stride + k, t.k - k);
    ahead.next(NR);
#pragma GCC unroll 6
    for (int m = 0; m < MR; ++m) {
      const __m512i x = load_pairs(t.x[m] + k, t.k - k);
#pragma GCC unroll 4
      for (int n = 0; n < NR; ++n) {
        acc[m][n] = _mm512_dpbf16_ps(acc[m][n], (__m512bh)x, (__m512bh)weight[n]);
      }
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < MR; ++m) {
    store_sums<NR>(t, m, col, acc[m][0], acc[m][1 % NR], acc[m][2 % NR], acc[m][3 % NR]);
  }
}

// dot_tile of one row of x, weight rows one behind the other.
template <>
BF16_FN void dot_tile<1, 4>(const Tile& t, int64_t col, Ahead) {
  __m512 acc[4];
  for (int n = 0; n < 4; ++n) {
    const uint16_t* w = t.w + (col + n) * t.w_stride;
    acc[n] = _mm512_setzero_ps();
    for (int64_t k = 0; k < t.k; k += 32) {
      acc[n] = _mm512_dpbf16_ps(acc[n], (__m512bh)load_pairs(t.x[0] + k, t.k - k),
                                (__m512bh)load_pairs(w + k, t.k - k));
    }
  }
  store_sums<4>(t, 0, col, acc[0], acc[1], acc[2], acc[3]);
}

using TileFunction = void (*)(const Tile&, int64_t col, Ahead);
template <int NR>
constexpr TileFunction kTiles[] = {dot_tile<1, NR>, dot_tile<2, NR>, dot_tile<3, NR>,
                                   dot_tile<4, NR>, dot_tile<5, NR>, dot_tile<6, NR>};

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
    t.k = x.columns();
    t.bias = bias ? bias + block.first : nullptr;
    t.y_type = y.type.dtype;
    // Rows of x in groups of a size. Few rows stay in the first cache while weights pass by once;
    // many take a block of weights from the second cache for each group.
    const int64_t rows = x.rows();
    const int64_t groups = (rows + kMaxRows - 1) / kMaxRows;
    const int64_t width = rows * x.row_bytes() <= kFirstCache ? 4 : block.rows;
    for (int64_t col = 0; col < block.rows; col += width) {
      const int64_t end = std::min(col + width, block.rows);
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = rows * g / groups;
        const int64_t count = rows * (g + 1) / groups - first;
        for (int64_t i = 0; i < count; ++i) {
          t.x[i] = x.row_as<uint16_t>(first + i);
          t.y[i] = y.row(first + i) + y.type.bytes(block.first);
        }
        run_tiles(t, count, col, end, g == 0);
      }
    }
  }

  static void run_tiles(const Tile& t, int64_t rows, int64_t col, int64_t end, bool first) {
    const auto row = [&](int64_t n) { return reinterpret_cast<const char*>(t.w + n * t.w_stride); };
    for (; col + 4 <= end; col += 4) {
      kTiles<4>[rows - 1](t, col, first ? Ahead{row(col + 4), row(col + 8)} : Ahead{});
    }
    for (; col < end; ++col) kTiles<1>[rows - 1](t, col, {});
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
      .version = 2,
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
