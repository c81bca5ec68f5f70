#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/decode_body.h"
#include "kernels/cpu/linear_common.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose16.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {
namespace {

#define AMX_FN INGOT_TARGET_AMX

// A tile holds 16 rows of 64 bytes. Weight rows go into A tiles straight from their canonical
// [N, K] form (16 rows x 32 bfloat16); activations are packed into B tiles of 16 pairs along K x 16
// rows; C tiles hold 16 outputs x 16 rows, transposed on the way out. Each output is one chain over
// blocks of 32 along K, so it does not depend on the number of rows.
constexpr int64_t kTile = 16;
constexpr int64_t kDepth = 32;
constexpr int64_t kTileBytes = 1024;
// Below, most of a tile is empty, and dot products of vectors read weights faster.
constexpr int64_t kTileWorthRows = 8;

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// GCC's tile intrinsics name too little of the memory they read: ldtilecfg 8 of its 64 bytes,
// tileloadd none. Without this, stores that fill that memory are dropped or moved past them (an
// illegal instruction at best).
[[gnu::always_inline]] static inline void memory_is_read() { asm volatile("" ::: "memory"); }

// Tiles 0-3 are C, 4-5 A, 6-7 B; B and C have `columns` columns.
AMX_FN void configure_tiles(int64_t columns) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = kTile;
    config.row_bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? 64 : 4 * columns);
  }
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}
AMX_FN void release_tiles() { _tile_release(); }

// 16 weight rows (or a zero-padded copy) and where the next ones to be read are.
struct WeightTile {
  const std::byte* data;
  int64_t stride;  // bytes
};

// One packed activation tile row: `blocks` B tiles, `stride` bytes a row, `step` bytes a tile.
struct Packed {
  const std::byte* data;
  int64_t stride;
  int64_t step;
};

// 4 weight tiles x 1 activation tile; out holds 4 C tiles of 16 x 16 floats. `ahead` bytes after
// a weight tile lies the one that is read four tiles later; 0: no prefetch.
AMX_FN void tiles_4x1(const WeightTile* w, const Packed& x, int64_t blocks, int64_t ahead,
                      float* out) {
  memory_is_read();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t at = b * kDepth * 2;
    _tile_loadd(6, x.data + b * x.step, x.stride);
    _tile_loadd(4, w[0].data + at, w[0].stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, w[1].data + at, w[1].stride);
    _tile_dpbf16ps(1, 5, 6);
    _tile_loadd(4, w[2].data + at, w[2].stride);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(5, w[3].data + at, w[3].stride);
    _tile_dpbf16ps(3, 5, 6);
    if (ahead != 0) {
      for (int64_t r = 0; r < 4 * kTile; ++r) {
        _mm_prefetch(reinterpret_cast<const char*>(w[0].data + ahead + at + r * w[0].stride),
                     _MM_HINT_T1);
      }
    }
  }
  _tile_stored(0, out, 64);
  _tile_stored(1, out + 256, 64);
  _tile_stored(2, out + 512, 64);
  _tile_stored(3, out + 768, 64);
}

AMX_FN void tiles_1x1(const WeightTile& w, const Packed& x, int64_t blocks, float* out) {
  memory_is_read();
  _tile_zero(0);
  for (int64_t b = 0; b < blocks; ++b) {
    _tile_loadd(4, w.data + b * kDepth * 2, w.stride);
    _tile_loadd(6, x.data + b * x.step, x.stride);
    _tile_dpbf16ps(0, 4, 6);
  }
  _tile_stored(0, out, 64);
}

// 2 weight tiles x 2 activation tiles; out: (w0 x0) (w0 x1) (w1 x0) (w1 x1).
AMX_FN void tiles_2x2(const WeightTile* w, const Packed& x0, const Packed& x1, int64_t blocks,
                      float* out) {
  memory_is_read();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t at = b * kDepth * 2;
    _tile_loadd(4, w[0].data + at, w[0].stride);
    _tile_loadd(6, x0.data + b * x0.step, x0.stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, x1.data + b * x1.step, x1.stride);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, w[1].data + at, w[1].stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, out, 64);
  _tile_stored(1, out + 256, 64);
  _tile_stored(2, out + 512, 64);
  _tile_stored(3, out + 768, 64);
}

// Rows [first, first + count) of x as B tiles: [K / 32][16 pairs][16 rows], zero-padded.
ISA_FN void pack_rows(const TensorView& x, int64_t first, int64_t count, int64_t blocks,
                      std::byte* dst) {
  const int64_t k = x.columns();
  for (int64_t b = 0; b < blocks; ++b, dst += kTileBytes) {
    const int64_t rest = k - b * kDepth;
    const __mmask32 mask = rest >= kDepth ? ~0u : (1u << rest) - 1u;
    __m512i rows[16];
    for (int64_t r = 0; r < kTile; ++r) {
      rows[r] = r < count
                    ? _mm512_maskz_loadu_epi16(mask, x.row_as<uint16_t>(first + r) + b * kDepth)
                    : _mm512_setzero_si512();
    }
    transpose16(rows);
    for (int64_t r = 0; r < kTile; ++r) _mm512_store_si512(dst + r * 64, rows[r]);
  }
}

template <class Io>
ISA_FN void store_outputs(const TensorView& y, const float* c, const float* bias, int64_t column,
                          int64_t columns, int64_t first, int64_t count) {
  __m512i rows[16];
  for (int64_t r = 0; r < kTile; ++r) rows[r] = _mm512_load_si512(c + r * 16);
  transpose16(rows);
  const Vec add = bias ? vload_n(bias + column, columns) : vzero();
  for (int64_t r = 0; r < count; ++r) {
    auto* out = y.row_as<typename Io::T>(first + r) + column;
    Vec v = _mm512_castsi512_ps(rows[r]);
    if (bias) v = vadd(v, add);
    if (columns == kTile) {
      Io::store(out, v);
    } else {
      Io::store_n(out, v, columns);
    }
  }
}

class AmxLinear final : public KernelInstance {
 public:
  explicit AmxLinear(const KernelDesc& desc) {
    const int64_t rows = rows_of(desc.inputs[0].shape);
    blocks_ = (desc.inputs[0].shape.back() + kDepth - 1) / kDepth;
    packed_bytes_ = round_up(rows, kTile) / kTile * blocks_ * kTileBytes;
    if (desc.inputs.size() > 2 && desc.inputs[2].present &&
        desc.inputs[2].type != DType::kFloat32) {
      bias_bytes_ = round_up(desc.inputs[1].shape[0], 16) * 4;
    }
  }
  size_t workspace_bytes() const override {
    return static_cast<size_t>(packed_bytes_ + bias_bytes_);
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView& x = args.inputs[0];
    const TensorView& w = args.inputs[1];
    Job job = {args, x.rows(), nullptr, {}, 0};
    if (job.m == 0) return;
    if (args.inputs.size() > 2 && args.inputs[2].present()) {
      job.bias = args.inputs[2].as<float>();
      if (bias_bytes_ != 0) {
        auto* decoded = reinterpret_cast<float*>(context.workspace.data() + packed_bytes_);
        decode_any_row(args.inputs[2], 0, decoded);
        job.bias = decoded;
      }
    }
    std::vector<std::byte> grown;
    pack(job, context, grown);
    const int64_t unit = job.m <= kTile ? 4 * kTile : 2 * kTile;
    const WeightBlocks blocks(
        args, 1,
        block_rows(w.shape[0], w.type.bytes(w.columns()), 256 << 10, unit, context.team->size()));
    context.team->parallel_for(blocks.count(), 1, [&](int64_t begin, int64_t end) {
      configure_tiles(job.m == 1 ? 1 : kTile);
      for (int64_t b = begin; b < end; ++b) run_block(job, blocks[b]);
      release_tiles();
    });
  }

 private:
  struct Job {
    const LaunchArgs& args;
    int64_t m;
    const float* bias;
    Packed x;           // first 16 rows; the next ones follow after tile_step
    int64_t tile_step;  // bytes
    Packed tile(int64_t index) const { return {x.data + index * tile_step, x.stride, x.step}; }
  };

  // Into the workspace, or into `grown` where control flow told a size without a limit.
  void pack(Job& job, ExecContext& context, std::vector<std::byte>& grown) const {
    const TensorView& x = job.args.inputs[0];
    if (job.m == 1 && x.columns() % kDepth == 0) {
      // A single row is its own B tile of one column.
      job.x = {x.data, 4, 64};
      return;
    }
    std::byte* dst = context.workspace.data();
    const int64_t step = blocks_ * kTileBytes;
    const int64_t needed = round_up(job.m, kTile) / kTile * step;
    if (needed > packed_bytes_) {
      grown.resize(static_cast<size_t>(needed) + 64);
      // Tiles are stored by whole, aligned lines.
      dst = grown.data() + (64 - reinterpret_cast<uintptr_t>(grown.data()) % 64) % 64;
    }
    context.team->parallel_for((job.m + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        pack_rows(x, t * kTile, std::min(kTile, job.m - t * kTile), blocks_, dst + t * step);
      }
    });
    job.x = {dst, 64, kTileBytes};
    job.tile_step = step;
  }

  // Weight tile `index` of a block: in place where 16 whole rows of whole depth are there.
  WeightTile weight_tile(const WeightBlock& block, int64_t index, std::byte* padded) const {
    const TensorView& w = *block.piece;
    const int64_t row = block.piece_row + index * kTile;
    const int64_t rows = std::min(kTile, block.rows - index * kTile);
    const int64_t bytes = w.type.bytes(w.columns());
    const int64_t padded_bytes = blocks_ * kDepth * 2;
    if (rows == kTile && bytes == padded_bytes) return {w.row(row), w.row_bytes()};
    std::memset(padded, 0, static_cast<size_t>(kTile * padded_bytes));
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(padded + r * padded_bytes, w.row(row + r), static_cast<size_t>(bytes));
    }
    return {padded, padded_bytes};
  }

  void run_block(const Job& job, const WeightBlock& block) const {
    const int64_t padded_bytes = kTile * blocks_ * kDepth * 2;
    std::byte* scratch = thread_scratch(static_cast<size_t>(4 * kTileBytes + 4 * padded_bytes));
    auto* c = reinterpret_cast<float*>(scratch);
    std::byte* padded = scratch + 4 * kTileBytes;
    const int64_t weight_tiles = (block.rows + kTile - 1) / kTile;
    const int64_t row_tiles = (job.m + kTile - 1) / kTile;
    const int64_t group = row_tiles == 1 ? 4 : 2;
    for (int64_t n = 0; n < weight_tiles; n += group) {
      const int64_t count = std::min(group, weight_tiles - n);
      WeightTile w[4];
      for (int64_t i = 0; i < count; ++i) {
        w[i] = weight_tile(block, n + i, padded + i * padded_bytes);
      }
      if (count == 4) {
        const bool regular = w[3].data == w[0].data + 3 * kTile * w[0].stride;
        const int64_t ahead = 4 * kTile * w[0].stride;
        tiles_4x1(w, job.x, blocks_, regular && ahead <= (512 << 10) ? ahead : 0, c);
        for (int64_t i = 0; i < 4; ++i) store(job, block, n + i, 0, c + i * 256);
        continue;
      }
      int64_t m = 0;
      for (; count == 2 && m + 2 <= row_tiles; m += 2) {
        tiles_2x2(w, job.tile(m), job.tile(m + 1), blocks_, c);
        for (int64_t i = 0; i < 4; ++i) store(job, block, n + i / 2, m + i % 2, c + i * 256);
      }
      for (; m < row_tiles; ++m) {
        for (int64_t i = 0; i < count; ++i) {
          tiles_1x1(w[i], job.tile(m), blocks_, c);
          store(job, block, n + i, m, c);
        }
      }
    }
  }

  static void store(const Job& job, const WeightBlock& block, int64_t weight_tile, int64_t row_tile,
                    const float* c) {
    const TensorView& y = job.args.outputs[0];
    const int64_t column = block.first + weight_tile * kTile;
    const int64_t columns = std::min(kTile, block.rows - weight_tile * kTile);
    const int64_t first = row_tile * kTile;
    const int64_t count = std::min(kTile, job.m - first);
    if (y.type == DType::kFloat32) {
      store_outputs<F32Io>(y, c, job.bias, column, columns, first, count);
    } else if (y.type == DType::kBFloat16) {
      store_outputs<Bf16Io>(y, c, job.bias, column, columns, first, count);
    } else {
      store_outputs<F16Io>(y, c, job.bias, column, columns, first, count);
    }
  }

  int64_t blocks_;
  int64_t packed_bytes_;
  int64_t bias_bytes_ = 0;
};

}  // namespace

// bfloat16 weights and activations on AMX tiles with float32 accumulation.
const KernelDef& linear_amx_kernel() {
  static const KernelDef kernel = {
      .name = "linear_amx",
      .op = "linear",
      .device = "cpu",
      .invariant = true,
      .priority = 40,
      .rank =
          [](const KernelDesc& desc) {
            return rows_of(desc.inputs[0].shape) < kTileWorthRows ? 15 : 40;
          },
      .supports = [](const KernelDesc& desc) -> std::string {
        if (cpu_isa() < CpuIsa::kAmx) return "needs AMX";
        if (desc.inputs[0].type != DType::kBFloat16) return "input is not bfloat16";
        if (desc.inputs[1].type != DType::kBFloat16) return "weight is not bfloat16";
        return is_activation_type(desc.outputs[0].type) ? "" : "output type";
      },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<AmxLinear>(desc);
      },
      .self_test =
          [] {
            return self_test(
                linear_amx_kernel(),
                {{.inputs = {{DType::kBFloat16, {21, 70}}, {DType::kBFloat16, {45, 70}, true}}},
                 {.inputs = {{DType::kBFloat16, {1, 64}}, {DType::kBFloat16, {80, 64}, true}}}});
          }};
  return kernel;
}

}  // namespace ingot::cpu
