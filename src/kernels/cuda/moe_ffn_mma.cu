// unit: large

// Mixtures of experts on tensor cores: one grid for all experts. Pairs of a token and an expert
// are grouped by expert, and a block takes up to kRows of one expert's pairs and 128 rows of its
// weights: for the first product 64 of gate and the same 64 of up, whose product it stores, for the
// second 128 of down. K is walked in order by every tile shape, so all give the same bits.
#include "kernels/cuda/arch/async_copy.cuh"
#include "kernels/cuda/arch/mma.cuh"
#include "kernels/cuda/arch/moe.cuh"

namespace ingot::cuda {
namespace kernel_moe_ffn_mma {

constexpr int kThreads = 128;  // 2 x 2 warps: halves of the rows, halves of the columns
constexpr int kHalf = 64;      // weight rows that lie side by side in memory
constexpr int kDepth = 64;     // elements of K in a stage: 128 bytes a row
constexpr int kStages = 3;
// So many tiles of rows take turns on the same weights, which then come from the cache.
constexpr int kBand = 8;

// A row of a stage is eight 16-byte units; unit u of row r lies at u ^ r % 8, so that neither
// copies nor matrix loads meet in a bank.
__device__ inline int swizzled(int row, int unit) { return row * kDepth + (unit ^ row % 8) * 8; }

template <class T, int kRows>
struct Stage {
  T x[kRows * kDepth];
  T w[2 * kHalf * kDepth];
};

// What a block multiplies.
struct Block {
  ExpertTile tile;
  int column;             // first of its output
  int depth;              // K
  const std::byte* w[2];  // weight rows by half
  int left[2];            // how many there are
  int64_t row_bytes;
};

template <bool kGate>
__device__ Block find_block(const MoeArgs& a, int row_tiles, int rows) {
  const int columns = static_cast<int>(gridDim.x) / row_tiles;
  const int index = static_cast<int>(blockIdx.x);
  const int band = index / (kBand * columns);
  const int in_band = index % (kBand * columns);
  const int height = min(kBand, row_tiles - band * kBand);
  Block b;
  b.tile = find_expert_tile(a, rows, band * kBand + in_band % height);
  b.column = in_band / height * (kGate ? kHalf : 2 * kHalf);
  b.depth = kGate ? a.hidden : a.inner;
  if (b.tile.expert < 0) return b;
  if (kGate) {
    b.w[0] = a.gate.row(b.tile.expert, b.column);
    b.w[1] = a.up.row(b.tile.expert, b.column);
    b.left[0] = b.left[1] = a.inner - b.column;
  } else {
    b.w[0] = a.down.row(b.tile.expert, b.column);
    b.w[1] = b.w[0] + kHalf * a.down.row_bytes;
    b.left[0] = a.hidden - b.column;
    b.left[1] = b.left[0] - kHalf;
  }
  b.row_bytes = kGate ? a.gate.row_bytes : a.down.row_bytes;
  return b;
}

// Elements [step * kDepth, + kDepth) of K of all rows; zeros where there are none. `rows`: the
// tile's rows of x, null past the last one.
template <class T, int kRows>
__device__ void fetch(const Block& b, const T* const* rows, int step, Stage<T, kRows>* to) {
  const int unit = threadIdx.x % 8;
  const int first = threadIdx.x / 8;
  const int at = step * kDepth + unit * 8;
  const bool inside = at < b.depth;
#pragma unroll
  for (int i = 0; i < kRows / 16; ++i) {
    const int r = first + 16 * i;
    const T* from = rows[r];
    const bool valid = inside && from != nullptr;
    cp_async16(to->x + swizzled(r, unit), valid ? from + at : rows[0], valid);
  }
#pragma unroll
  for (int i = 0; i < 2 * kHalf / 16; ++i) {
    const int half = i / 4;
    const int n = first + 16 * (i % 4);
    const bool valid = inside && n < b.left[half];
    const std::byte* from = b.w[half] + n * b.row_bytes + at * static_cast<int>(sizeof(T));
    cp_async16(to->w + swizzled(half * kHalf + n, unit), valid ? from : b.w[0], valid);
  }
}

// A warp's share: kRows / 2 rows, and as n tiles of eight columns 32 of each half for the gated
// product (tile n + 4 is up where n is gate), else 64 of one half.
template <class T, int kRows, bool kGate>
struct WarpTile {
  static constexpr int kTiles = kRows / 32;  // of 16 rows
  float sum[kTiles][8][4];

  __device__ void clear() {
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int c = 0; c < 4; ++c) sum[m][n][c] = 0;
      }
    }
  }
  static __device__ int first_row() { return threadIdx.x / 32 % 2 * (kRows / 2); }
  // Of n tiles 2 * pair and the next, in a stage.
  static __device__ int weight_row(int pair) {
    const int side = threadIdx.x / 64;
    return kGate ? pair / 2 * kHalf + side * 32 + pair % 2 * 16 : side * kHalf + pair * 16;
  }
  // Of n tile n (gated: n < 4), from the block's first output column.
  static __device__ int column(int n) {
    return static_cast<int>(threadIdx.x / 64) * (kGate ? 32 : kHalf) + n * 8 +
           static_cast<int>(threadIdx.x % 4) * 2;
  }

  __device__ void multiply(const Stage<T, kRows>& stage) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < kDepth / 8; k += 2) {  // units
      uint32_t left[kTiles][4];
#pragma unroll
      for (int m = 0; m < kTiles; ++m) {
        const int row = first_row() + 16 * m + lane % 16;
        ldmatrix4(left[m], stage.x + swizzled(row, k + lane / 16));
      }
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        const int row = weight_row(pair) + lane / 16 * 8 + lane % 8;
        uint32_t right[4];
        ldmatrix4(right, stage.w + swizzled(row, k + lane / 8 % 2));
#pragma unroll
        for (int m = 0; m < kTiles; ++m) {
          mma16816(sum[m][2 * pair], left[m], right[0], right[1], T{});
          mma16816(sum[m][2 * pair + 1], left[m], right[2], right[3], T{});
        }
      }
    }
  }

  __device__ void store(const MoeArgs& a, const Block& b) const {
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = first_row() + 16 * m + static_cast<int>(threadIdx.x % 32) / 4 + 8 * half;
        if (row >= b.tile.rows) continue;
        const int64_t place = b.tile.first + row;
        if (kGate) {
          T* to = reinterpret_cast<T*>(a.middle) + place * a.inner + b.column;
#pragma unroll
          for (int n = 0; n < 4; ++n) {
            if (column(n) >= b.left[0]) continue;
            const float* g = sum[m][n] + 2 * half;
            const float* u = sum[m][n + 4] + 2 * half;
            *reinterpret_cast<uint32_t*>(to + column(n)) =
                pack_pair(gated(a.activation, g[0], u[0]), gated(a.activation, g[1], u[1]), T{});
          }
        } else {
          float* to = a.parts + static_cast<int64_t>(a.order[place]) * a.hidden + b.column;
#pragma unroll
          for (int n = 0; n < 8; ++n) {
            if (column(n) >= b.left[0]) continue;
            *reinterpret_cast<float2*>(to + column(n)) =
                make_float2(sum[m][n][2 * half], sum[m][n][2 * half + 1]);
          }
        }
      }
    }
  }
};

// grid: row_tiles times tiles of columns.
template <class T, int kRows, bool kGate>
__global__ void __launch_bounds__(kThreads) multiply(MoeArgs a, int row_tiles) {
  extern __shared__ uint4 shared[];
  __shared__ const T* rows[kRows];
  auto* stages = reinterpret_cast<Stage<T, kRows>*>(shared);
  wait_for_earlier();
  let_next_start();
  const Block b = find_block<kGate>(a, row_tiles, kRows);
  if (b.tile.expert < 0) return;
  for (int r = threadIdx.x; r < kRows; r += kThreads) {
    const int64_t place = b.tile.first + r;
    const T* row = nullptr;
    if (r < b.tile.rows) {
      row = kGate ? static_cast<const T*>(a.x.data) + a.order[place] / a.k * a.x_stride
                  : reinterpret_cast<const T*>(a.middle) + place * a.inner;
    }
    rows[r] = row;
  }
  __syncthreads();

  const int steps = (b.depth + kDepth - 1) / kDepth;
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < steps) fetch<T, kRows>(b, rows, s, stages + s);
    cp_async_commit();
  }
  WarpTile<T, kRows, kGate> warp;
  warp.clear();
  int reading = 0, writing = kStages - 1;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<kStages - 2>();
    __syncthreads();  // the stage is there, and the one before it is read
    if (step + kStages - 1 < steps) {
      fetch<T, kRows>(b, rows, step + kStages - 1, stages + writing);
    }
    cp_async_commit();
    warp.multiply(stages[reading]);
    reading = reading + 1 == kStages ? 0 : reading + 1;
    writing = writing + 1 == kStages ? 0 : writing + 1;
  }
  cp_async_wait<0>();
  warp.store(a, b);
}

class MmaExperts final : public KernelInstance {
 public:
  MmaExperts(const KernelDesc& desc, int rows)
      : attrs_(desc.attrs), rows_(rows), bytes_(moe_workspace_bytes(desc)) {}
  size_t workspace_bytes() const override { return bytes_; }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    if (args.inputs[kMoeX].rows() == 0) return;
    const MoeArgs a = moe_args(args, attrs_, context);
    launch_grouping("moe_ffn_mma", a, context);
    if (a.x.type == DType::kBFloat16) {
      run_rows<__nv_bfloat16>(a, context);
    } else {
      run_rows<__half>(a, context);
    }
    launch_combine("moe_ffn_mma", a, context);
  }

 private:
  template <class T>
  void run_rows(const MoeArgs& a, ExecContext& context) {
    if (rows_ == 32) return run<T, 32>(a, context);
    if (rows_ == 64) return run<T, 64>(a, context);
    run<T, 128>(a, context);
  }
  template <class T, int kRows>
  void run(const MoeArgs& a, ExecContext& context) {
    constexpr int kShared = kStages * sizeof(Stage<T, kRows>);
    const auto first = multiply<T, kRows, true>;
    const auto second = multiply<T, kRows, false>;
    if (!prepared_) {
      for (const auto kernel : {first, second}) {
        cuda_check(
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
            "moe_ffn_mma");
      }
      prepared_ = true;
    }
    const int64_t tiles = most_expert_tiles(a, kRows);
    const int row_tiles = static_cast<int>(tiles);
    launch_early("moe_ffn_mma", context, first, {tiles * ceil_div(a.inner, kHalf), 1, kThreads},
                 kShared, a, row_tiles);
    launch_early("moe_ffn_mma", context, second,
                 {tiles * ceil_div(a.hidden, 2 * kHalf), 1, kThreads}, kShared, a, row_tiles);
  }

  Attrs attrs_;
  int rows_;
  size_t bytes_;
  bool prepared_ = false;  // one descriptor always takes the same kernels
};

std::string supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[kMoeX].type;
  if (type != DType::kBFloat16 && type != DType::kFloat16) return "input is " + type.name();
  for (size_t i : {kMoeGate, kMoeDown}) {
    if (!(desc.inputs[i].type == type)) return "weights are " + desc.inputs[i].type.name();
  }
  return moe_supports(desc);
}

// By how many pairs an expert has on average.
std::vector<std::string> tactics(const KernelDesc& desc) {
  const int64_t pairs = moe_pairs(desc) / desc.inputs[kMoeDown].shape[0];
  if (pairs <= 24) return {"rows32", "rows64", "rows128"};
  if (pairs <= 96) return {"rows64", "rows32", "rows128"};
  return {"rows128", "rows64", "rows32"};
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  const std::string name = tactic.empty() ? tactics(desc)[0] : std::string(tactic);
  const int rows = name == "rows32" ? 32 : name == "rows64" ? 64 : 128;
  return std::make_unique<MmaExperts>(desc, rows);
}

}  // namespace kernel_moe_ffn_mma

// 16-bit types, weights of the same type.
const KernelDef& moe_ffn_mma_kernel() {
  using namespace kernel_moe_ffn_mma;
  static const KernelDef kernel = {
      .name = "moe_ffn_mma",
      .op = "moe_ffn",
      .device = "cuda",
      .invariant = true,
      .priority = 30,
      .rank = [](const KernelDesc& desc) { return moe_pairs(desc) < 32 ? 15 : 30; },
      .supports = supports,
      .tactics = tactics,
      .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
