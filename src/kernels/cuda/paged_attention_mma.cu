// unit: large

// Attention of many tokens on tensor cores. A block takes kRows query rows of one KV head: tokens
// of one sequence times the query heads of the group. It walks the keys in tiles at multiples of
// kKeys positions with an online softmax, so a row's result depends on its own keys alone.
#include <climits>

#include "kernels/cuda/arch/attention.cuh"
#include "kernels/cuda/arch/mma.cuh"
#include "kernels/cuda/arch/query_tiles.cuh"

namespace ingot::cuda {
namespace kernel_paged_attention_mma {

constexpr int kRows = 64;  // 16 a warp
constexpr int kKeys = 64;
constexpr int kThreads = 2 * kRows;
constexpr float kLog2E = 1.44269504f;

// Keys [base, base + kKeys) into shared memory; zeros outside [low, high), which may hold anything.
template <class T, int kDim>
__device__ void fetch_keys(const KvPages& cache, int row, int head, int base, int low, int high,
                           T* to) {
  constexpr int kUnits = kDim / 8;
  const int64_t slots[2] = {cache.slot(row, base, head), cache.slot(row, base + 32, head)};
  const T* data = reinterpret_cast<const T*>(cache.data);
#pragma unroll 4
  for (int i = threadIdx.x; i < kKeys * kUnits; i += kThreads) {
    const int key = i / kUnits;
    const int column = i % kUnits * 8;
    const int64_t slot = key < 32 ? slots[0] : slots[1];
    const bool valid = slot >= 0 && base + key >= low && base + key < high;
    const T* from = data + (valid ? slot + key % 32 * kDim + column : 0);
    cp_async16(to + key * (kDim + 8) + column, from, valid);
  }
}

template <class T, int kDim>
__device__ void fetch_queries(const AttentionArgs& a, const RowTile& tile, int kv_head, T* to) {
  const T* q = static_cast<const T*>(a.q.data);
  for (int i = threadIdx.x; i < kRows * (kDim / 8); i += kThreads) {
    const int r = i / (kDim / 8);
    const int column = i % (kDim / 8) * 8;
    const int index = tile.first + r;
    T* cell = to + r * (kDim + 8) + column;
    if (index >= tile.rows) {
      *reinterpret_cast<uint4*>(cell) = make_uint4(0, 0, 0, 0);
      continue;
    }
    const int64_t head = kv_head * a.group + index % a.group;
    const T* from = q + (tile.token + index / a.group) * a.q_stride + head * kDim + column;
    if (reinterpret_cast<uintptr_t>(from) % 16 == 0) {
      *reinterpret_cast<uint4*>(cell) = *reinterpret_cast<const uint4*>(from);
    } else {
#pragma unroll
      for (int c = 0; c < 8; ++c) cell[c] = from[c];
    }
  }
}

// The two rows of a warp's tile that a lane holds.
struct LaneRow {
  int begin, end;
  float slope;
  float peak, total;  // peak in units of log2
};

template <class T, int kDim>
struct WarpTile {
  static constexpr int kPitch = kDim + 8;
  float out[kDim / 8][4];
  float score[kKeys / 8][4];

  __device__ void multiply_keys(const T* q, const T* k) {
    const int lane = threadIdx.x % 32;
    const T* q_at = q + (threadIdx.x / 32 * 16 + lane % 16) * kPitch + lane / 16 * 8;
    const T* k_at = k + (lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) score[n][c] = 0;
    }
#pragma unroll
    for (int d = 0; d < kDim; d += 16) {
      uint32_t left[4];
      ldmatrix4(left, q_at + d);
#pragma unroll
      for (int n = 0; n < kKeys / 8; n += 2) {
        uint32_t right[4];
        ldmatrix4(right, k_at + n * 8 * kPitch + d);
        mma16816(score[n], left, right[0], right[1], T{});
        mma16816(score[n + 1], left, right[2], right[3], T{});
      }
    }
  }

  // Scores of one of the lane's rows into weights; `half` 0 or 1 picks the row. Roundings are spelt
  // out: the compiler fuses a product and a sum in one half and not in the other, and a row's bits
  // must not depend on where in the tile it stands.
  __device__ void soften(const AttentionArgs& a, int base, int half, LaneRow* row) {
    const int column = base + threadIdx.x % 4 * 2;
    float top = row->peak;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        const int key = column + 8 * n + c;
        float& s = score[n][2 * half + c];
        const float biased = biased_score(attention_score(a, s), row->slope, key, row->end);
        s = key >= row->begin && key < row->end ? __fmul_rn(biased, kLog2E) : -INFINITY;
        top = fmaxf(top, s);
      }
    }
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
    const float origin = top == -INFINITY ? 0.0f : top;
    const float shrink = exp2f(__fsub_rn(row->peak, origin));
    float total = 0;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        float& s = score[n][2 * half + c];
        s = exp2f(__fsub_rn(s, origin));
        total += s;
      }
    }
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    row->total = fmaf(row->total, shrink, total);
    row->peak = top;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      out[n][2 * half] = __fmul_rn(out[n][2 * half], shrink);
      out[n][2 * half + 1] = __fmul_rn(out[n][2 * half + 1], shrink);
    }
  }

  __device__ void multiply_values(const T* v) {
    const int lane = threadIdx.x % 32;
    const T* v_at = v + (lane / 8 % 2 * 8 + lane % 8) * kPitch + lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      const float(&low)[4] = score[2 * k];
      const float(&high)[4] = score[2 * k + 1];
      const uint32_t left[4] = {pack_pair(low[0], low[1], T{}), pack_pair(low[2], low[3], T{}),
                                pack_pair(high[0], high[1], T{}), pack_pair(high[2], high[3], T{})};
      // Weights rounded to 16 bits would cost half a percent of the result; what rounding takes
      // away is a second operand.
      const uint32_t rest[4] = {pack_rest(low[0], low[1]), pack_rest(low[2], low[3]),
                                pack_rest(high[0], high[1]), pack_rest(high[2], high[3])};
#pragma unroll
      for (int n = 0; n < kDim / 8; n += 2) {
        uint32_t right[4];
        ldmatrix4_transposed(right, v_at + k * 16 * kPitch + n * 8);
        mma16816(out[n], left, right[0], right[1], T{});
        mma16816(out[n + 1], left, right[2], right[3], T{});
        mma16816(out[n], rest, right[0], right[1], T{});
        mma16816(out[n + 1], rest, right[2], right[3], T{});
      }
    }
  }

  static __device__ uint32_t pack_rest(float a, float b) {
    return pack_pair(a - to_float(from_float<T>(a)), b - to_float(from_float<T>(b)), T{});
  }

  __device__ void write(const AttentionArgs& a, const RowTile& tile, int kv_head, int index,
                        int half, const LaneRow& row) const {
    if (index >= tile.rows) return;
    const int64_t head = kv_head * a.group + index % a.group;
    T* to = static_cast<T*>(a.out) + (tile.token + index / a.group) * a.out_stride + head * kDim +
            threadIdx.x % 4 * 2;
    const float factor = row.total > 0 ? 1.0f / row.total : 0.0f;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      to[8 * n] = from_float<T>(out[n][2 * half] * factor);
      to[8 * n + 1] = from_float<T>(out[n][2 * half + 1] * factor);
    }
  }
};

// grid: tiles of query rows, kv heads.
template <class T, int kDim>
__global__ void __launch_bounds__(kThreads) attend(AttentionArgs a) {
  extern __shared__ uint4 shared[];
  __shared__ int low, high;
  let_next_start();
  wait_for_earlier();
  constexpr int kPitch = kDim + 8;
  T* q = reinterpret_cast<T*>(shared);
  T* k = q + kRows * kPitch;
  T* v = k + kKeys * kPitch;
  const RowTile tile = find_row_tile(a, kRows, threadIdx.x % 32);
  if (tile.sequence < 0) return;
  const int kv_head = blockIdx.y;

  if (threadIdx.x == 0) {
    low = INT_MAX;
    high = 0;
  }
  __syncthreads();
  LaneRow rows[2];
  int index[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    index[half] = tile.first + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + 8 * half;
    rows[half] = {0, 0, 0, -INFINITY, 0};
    if (index[half] >= tile.rows) continue;
    const KeyRange range = key_range(a, tile.token + index[half] / a.group);
    rows[half].begin = range.begin;
    rows[half].end = range.end;
    rows[half].slope = head_slope(a, kv_head * a.group + index[half] % a.group);
    if (range.begin < range.end) {
      atomicMin(&low, range.begin);
      atomicMax(&high, range.end);
    }
  }
  fetch_queries<T, kDim>(a, tile, kv_head, q);
  __syncthreads();
  const int begin = low;
  const int end = high;

  WarpTile<T, kDim> warp;
#pragma unroll
  for (int n = 0; n < kDim / 8; ++n) {
#pragma unroll
    for (int c = 0; c < 4; ++c) warp.out[n][c] = 0;
  }
  const int first = begin < end ? begin / kKeys * kKeys : 0;
  if (begin < end) fetch_keys<T, kDim>(a.keys, tile.sequence, kv_head, first, begin, end, k);
  cp_async_commit();
  for (int base = first; base < end; base += kKeys) {
    fetch_keys<T, kDim>(a.values, tile.sequence, kv_head, base, begin, end, v);
    cp_async_commit();
    cp_async_wait<1>();
    __syncthreads();  // the keys are there
    warp.multiply_keys(q, k);
    __syncthreads();  // and read
    const int next = base + kKeys;
    if (next < end) fetch_keys<T, kDim>(a.keys, tile.sequence, kv_head, next, begin, end, k);
    cp_async_commit();
    warp.soften(a, base, 0, &rows[0]);
    warp.soften(a, base, 1, &rows[1]);
    cp_async_wait<1>();
    __syncthreads();  // the values are there
    warp.multiply_values(v);
    __syncthreads();  // and read
  }
  cp_async_wait<0>();
  warp.write(a, tile, kv_head, index[0], 0, rows[0]);
  warp.write(a, tile, kv_head, index[1], 1, rows[1]);
}

// Calls f with a value of std::integral_constant of the head size; false if it is not compiled.
template <class F>
bool with_dim(int64_t dim, F&& f) {
  if (dim == 64) return f(std::integral_constant<int, 64>{}), true;
  if (dim == 80) return f(std::integral_constant<int, 80>{}), true;
  if (dim == 96) return f(std::integral_constant<int, 96>{}), true;
  if (dim == 128) return f(std::integral_constant<int, 128>{}), true;
  if (dim == 256) return f(std::integral_constant<int, 256>{}), true;
  return false;
}

std::string supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[0].type;
  if (type != DType::kBFloat16 && type != DType::kFloat16) return "input is " + type.name();
  if (!(desc.inputs[1].type == type)) return "cache is " + desc.inputs[1].type.name();
  if (!(desc.outputs[0].type == type)) return "output is " + desc.outputs[0].type.name();
  const int64_t dim = desc.inputs[1].shape[3];
  if (!with_dim(dim, [](auto) {})) return "heads of " + std::to_string(dim);
  if (desc.inputs[0].shape[0] < 32) return "fewer than 32 tokens";
  return attention_supports(desc, true);
}

template <class T, int kDim>
void run(const AttentionArgs& a, ExecContext& context) {
  constexpr int kShared = (kRows + 2 * kKeys) * (kDim + 8) * static_cast<int>(sizeof(T));
  const auto kernel = attend<T, kDim>;
  cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
             "paged_attention_mma");
  const int64_t tiles = most_row_tiles(a.tokens, a.group, a.keys.batch, kRows);
  launch_early_grid("paged_attention_mma", context, kernel,
                    {.blocks = attention_dims(tiles, a.keys.heads),
                     .threads = attention_dims(kThreads),
                     .shared = kShared},
                    a);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  return make_instance([attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
    const AttentionArgs a = attention_args(args, attrs);
    if (a.tokens == 0) return;
    with_dim(a.keys.dim, [&](auto dim) {
      if (a.q.type == DType::kBFloat16) {
        run<__nv_bfloat16, decltype(dim)::value>(a, context);
      } else {
        run<__half, decltype(dim)::value>(a, context);
      }
    });
  });
}

}  // namespace kernel_paged_attention_mma

// 16-bit types, heads of 64, 80, 96, 128 and 256.
const KernelDef& paged_attention_mma_kernel() {
  using namespace kernel_paged_attention_mma;
  static const KernelDef kernel = {.name = "paged_attention_mma",
                                   .op = "paged_attention",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 25,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
