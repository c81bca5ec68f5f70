// unit: large

// Decode attention on tensor cores, made to keep loads in flight: every warp streams tiles of 16
// keys and their values through a ring of its own in shared memory and meets the others only at
// the end. Products are turned over (keys times queries, values times weights), so that 8 query
// heads fill the narrow side of an instruction, a head's sums lie in one column of lanes, and
// rescaling needs no exchange. The warps of a block are merged in shared memory, the blocks that
// share a token in the shared memory of their cluster: one launch, no workspace.
#include <climits>

#include "kernels/cuda/arch/attention_parts.cuh"
#include "kernels/cuda/arch/bounded_attention.cuh"
#include "kernels/cuda/arch/cluster.cuh"
#include "kernels/cuda/arch/manifest.h"
#include "kernels/cuda/arch/mma.cuh"
#include "tensor/kv_page.h"

namespace ingot::cuda {
namespace kernel_paged_attention_stream {

constexpr const char* kName = "paged_attention_stream";
constexpr int kTileKeys = 16;
constexpr int kPageTiles = static_cast<int>(kKvBlockTokens) / kTileKeys;
constexpr int kMostWarps = 8;
constexpr int kPortableParts = 8;  // blocks of a cluster that every device has
constexpr int kMostParts = 16;     // that GPUs with this much shared memory have
constexpr float kLog2E = 1.44269504f;
// A score may exceed the peak that weights refer to by so much (log2) before all is rescaled:
// weights stay below 2^8, which 16-bit floats and float32 sums hold.
constexpr float kSlack = 8.0f;
// With the static part a little less than the 227 KiB of a block on Hopper.
constexpr int64_t kMostShared = 225 << 10;

// Tiles of keys, and as many of values, that a warp has in shared memory or on their way.
constexpr int ring_depth(int dim) { return dim <= 64 ? 4 : dim <= 80 ? 3 : 2; }
// Rows of a tile are 16 bytes longer than a head, so that 8 of them lie in different banks.
constexpr int ring_bytes(int dim) { return 2 * ring_depth(dim) * kTileKeys * (dim + 8) * 2; }

// Peak (log2) and sum of the weights of each head.
template <int kHeads>
struct HeadStates {
  float peak[kHeads], total[kHeads];
};

// Weight of sums that refer to `peak` among those that refer to `top`; without keys a peak is -inf.
__device__ inline float share_of(float peak, float top) {
  return peak == -INFINITY ? 0.0f : exp2f(peak - top);
}
__device__ inline void add_scaled(float4* sum, float factor, const float4& v) {
  sum->x = fmaf(factor, v.x, sum->x);
  sum->y = fmaf(factor, v.y, sum->y);
  sum->z = fmaf(factor, v.z, sum->z);
  sum->w = fmaf(factor, v.w, sum->w);
}

// Transposes an 8 x 8 matrix of 16-bit elements that the lanes hold two by two, row by row.
__device__ inline uint32_t transpose8(uint32_t pair) {
  uint32_t out;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(pair));
  return out;
}

// What the tables name for a token's tile; -1 where they end.
__device__ inline int find_page(const KvPages& cache, int row, int tile) {
  const auto block = static_cast<unsigned>(tile) / kPageTiles;
  if (static_cast<unsigned>(row) >= static_cast<unsigned>(cache.batch)) return -1;
  if (block >= static_cast<unsigned>(cache.blocks)) return -1;
  return cache.tables[static_cast<int64_t>(row) * cache.blocks + block];
}
// Place of a tile in the caches, counted in tiles; -1 where its page is none of theirs, which
// stands for zeros.
__device__ inline int place_of(const KvPages& cache, int page, int head, int tile) {
  if (page < 0 || page >= cache.pages) return -1;
  return (page * cache.heads + head) * kPageTiles + tile % kPageTiles;
}

// The tiles that a warp walks: first, first + stride, ... up to `last`. Which pages these are does
// not depend on the token's length, so that they can be looked up before it is known.
struct Walk {
  KeyRange range;
  int first, stride, last;

  // units: a power of two.
  __device__ Walk(const KeyRange& r, int unit, int units) : range(r), stride(units) {
    const int begin = range.begin / kTileKeys;
    first = begin + ((unit - begin) & (units - 1));
    last = range.begin < range.end ? (range.end - 1) / kTileKeys : -1;
  }
  __device__ int tile(int i) const { return first + i * stride; }
  __device__ bool has(int i) const { return tile(i) <= last; }
  // Keys [low, high) of tile i are seen; both may lie outside the tile.
  __device__ int low(int i) const { return range.begin - tile(i) * kTileKeys; }
  __device__ int high(int i) const { return range.end - tile(i) * kTileKeys; }
};

// One warp's part of a token: kHeads query heads of a group (those past its end are zeros). Lane l
// holds heads 2 (l % 4) and the next of each set of 8, as columns of scores (rows: keys l / 4 and
// 8 more) and of sums (rows: dims l / 4 and 8 more of each 16).
template <class T, int kDim, int kHeads>
struct WarpHeads {
  static constexpr int kSets = kHeads / 8;
  static constexpr int kSteps = kDim / 16;
  static constexpr int kPitch = kDim + 8;
  static constexpr int kTile = kTileKeys * kPitch;
  static constexpr int kDepth = ring_depth(kDim);
  static constexpr int kResultPitch = kDim + 4;  // floats: writes of sums spread over the banks
  static_assert(kHeads * kResultPitch * 4 <= ring_bytes(kDim));

  uint32_t query[kSets][kSteps][2];
  float sum[kSets][kSteps][4];
  float score[kSets][4];
  float peak[kSets][2], total[kSets][2];

  __device__ void start(const T* q, int group) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
      const int head = 8 * s + lane / 4;
      const T* from = q + head * kDim + lane % 4 * 2;
#pragma unroll
      for (int k = 0; k < kSteps; ++k) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const auto* pair = reinterpret_cast<const uint32_t*>(from + 16 * k + 8 * half);
          query[s][k][half] = head < group ? *pair : 0;
        }
#pragma unroll
        for (int c = 0; c < 4; ++c) sum[s][k][c] = 0;
      }
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        peak[s][c] = -INFINITY;
        total[s][c] = 0;
      }
    }
  }

  // The tile at `place` of a cache into the ring: keys [low, high), zeros for the rest, which may
  // hold anything in the cache.
  __device__ static void fetch(const KvPages& cache, int place, int low, int high, T* to) {
    constexpr int kUnits = kDim / 8;  // of 16 bytes, in a row
    const int lane = threadIdx.x % 32;
    const std::byte* from =
        cache.data + static_cast<int64_t>(max(place, 0)) * (kTileKeys * kDim * 2) + lane * 16;
    const auto seen = static_cast<unsigned>(place < 0 ? 0 : high - low);
    // Addresses that differ by constants, where 32 lanes take whole rows.
    T* const cell = to + lane / kUnits * kPitch + lane % kUnits * 8;
    const int before = lane / kUnits - low;
#pragma unroll
    for (int i = 0; i < kTileKeys * kUnits / 32; ++i) {
      if constexpr (32 % kUnits == 0) {
        constexpr int kRows = 32 / kUnits;
        cp_async16(cell + i * kRows * kPitch, from + i * 512,
                   static_cast<unsigned>(before + i * kRows) < seen);
      } else {
        const int unit = i * 32 + lane;
        cp_async16(to + unit / kUnits * kPitch + unit % kUnits * 8, from + i * 512,
                   static_cast<unsigned>(unit / kUnits - low) < seen);
      }
    }
  }

  __device__ void multiply_keys(const T* k) {
    const int lane = threadIdx.x % 32;
    const T* at = k + lane % 16 * kPitch + lane / 16 * 8;
    float odd[kSets][4];  // two chains: a product waits for the one before it
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 4; ++c) score[s][c] = odd[s][c] = 0;
    }
#pragma unroll
    for (int d = 0; d < kSteps; ++d) {
      uint32_t left[4];
      ldmatrix4(left, at + 16 * d);
#pragma unroll
      for (int s = 0; s < kSets; ++s) {
        mma16816(d % 2 == 0 ? score[s] : odd[s], left, query[s][d][0], query[s][d][1], T{});
      }
    }
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 4; ++c) score[s][c] += odd[s][c];
    }
  }

  // Scores into weights. At least one key of the tile is seen.
  __device__ void soften(const AttentionArgs& a, int low, int high) {
    const int key = static_cast<int>(threadIdx.x % 32 / 4);
    const bool seen[2] = {key >= low && key < high, key + 8 >= low && key + 8 < high};
    const float factor = a.scale * kLog2E;
    bool above = false;
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        float& v = score[s][c];
        v = a.softcap > 0 ? attention_score(a, v) * kLog2E : v * factor;
        if (!seen[c / 2]) v = -INFINITY;
        above |= v > peak[s][c % 2] + kSlack;
      }
    }
    if (__any_sync(~0u, above)) raise_peaks();
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        score[s][c] = exp2f(score[s][c] - peak[s][c % 2]);
        total[s][c % 2] += score[s][c];
      }
    }
  }
  __device__ void raise_peaks() {
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        float top = fmaxf(peak[s][c], fmaxf(score[s][c], score[s][c + 2]));
#pragma unroll
        for (int mask = 4; mask < 32; mask *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, mask));
        const float shrink = exp2f(peak[s][c] - top);
        peak[s][c] = top;
        total[s][c] *= shrink;
#pragma unroll
        for (int k = 0; k < kSteps; ++k) {
          sum[s][k][c] *= shrink;
          sum[s][k][c + 2] *= shrink;
        }
      }
    }
  }

  __device__ void multiply_values(const T* v) {
    const int lane = threadIdx.x % 32;
    const T* at = v + (lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8;
    // Weights rounded to 16 bits would cost half a percent of the result; what rounding takes away
    // is a second operand.
    uint32_t weight[kSets][2], rest[kSets][2];
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float first = score[s][2 * half];
        const float second = score[s][2 * half + 1];
        weight[s][half] = transpose8(pack_pair(first, second, T{}));
        rest[s][half] = transpose8(pack_pair(first - to_float(from_float<T>(first)),
                                             second - to_float(from_float<T>(second)), T{}));
      }
    }
#pragma unroll
    for (int d = 0; d < kSteps; ++d) {
      uint32_t left[4];
      ldmatrix4_transposed(left, at + 16 * d);
#pragma unroll
      for (int s = 0; s < kSets; ++s) {
        mma16816(sum[s][d], left, weight[s][0], weight[s][1], T{});
        mma16816(sum[s][d], left, rest[s][0], rest[s][1], T{});
      }
    }
  }

  // Walks the keys. `page`: lane i has what the tables name for the walk's tile i, of the first 32.
  __device__ void attend(const AttentionArgs& a, const Walk& walk, int kv_head, int page, T* ring) {
    const int lane = threadIdx.x % 32;
    const auto look_up = [&](int from) {
      return walk.has(from) ? find_page(a.keys, walk.range.row, walk.tile(from + lane)) : -1;
    };
    int next = look_up(32);
    int place = place_of(a.keys, page, kv_head, walk.tile(lane));
    const auto fetch_one = [&](const KvPages& cache, int i, T* to) {
      const int at = __shfl_sync(~0u, place, i % 32);
      if (walk.has(i)) fetch(cache, at, walk.low(i), walk.high(i), to);
      cp_async_commit();  // also where there is nothing: waiting counts groups
    };
    const auto key_slot = [&](int i) { return ring + i % kDepth * (2 * kTile); };
    const auto value_slot = [&](int i) { return key_slot(i) + kTile; };
#pragma unroll
    for (int i = 0; i < kDepth; ++i) {
      fetch_one(a.keys, i, key_slot(i));
      fetch_one(a.values, i, value_slot(i));
    }
    for (int i = 0; walk.has(i); ++i) {
      const int ahead = i + kDepth;
      cp_async_wait<2 * kDepth - 1>();
      __syncwarp();  // the keys are there
      multiply_keys(key_slot(i));
      __syncwarp();  // and read
      if (ahead % 32 == 0) {
        place = place_of(a.keys, next, kv_head, walk.tile(ahead + lane));
        next = look_up(ahead + 32);
      }
      fetch_one(a.keys, ahead, key_slot(i));
      soften(a, walk.low(i), walk.high(i));
      cp_async_wait<2 * kDepth - 1>();
      __syncwarp();  // the values are there
      multiply_values(value_slot(i));
      __syncwarp();  // and read
      fetch_one(a.values, ahead, value_slot(i));
    }
  }

  // Sums [kHeads][kResultPitch], peaks and totals for the rest of the block. The ring is free: only
  // empty groups are on their way.
  __device__ void publish(float* results, HeadStates<kHeads>* state) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int s = 0; s < kSets; ++s) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
#pragma unroll
        for (int mask = 4; mask < 32; mask *= 2) {
          total[s][c] += __shfl_xor_sync(~0u, total[s][c], mask);
        }
        if (lane >= 4) continue;
        state->peak[8 * s + 2 * lane + c] = peak[s][c];
        state->total[8 * s + 2 * lane + c] = total[s][c];
      }
      float* to = results + (8 * s + lane % 4 * 2) * kResultPitch + lane / 4;
#pragma unroll
      for (int k = 0; k < kSteps; ++k) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          to[c % 2 * kResultPitch + 16 * k + c / 2 * 8] = sum[s][k][c];
        }
      }
    }
  }
};

// Four columns of a head's output.
template <class T>
__device__ void store_columns(T* to, const float4& sum, float total) {
  const float factor = total > 0 ? 1.0f / total : 0.0f;
  const uint2 pairs = {pack_pair(sum.x * factor, sum.y * factor, T{}),
                       pack_pair(sum.z * factor, sum.w * factor, T{})};
  if (reinterpret_cast<uintptr_t>(to) % 8 == 0) {
    *reinterpret_cast<uint2*>(to) = pairs;
    return;
  }
  const auto* values = reinterpret_cast<const T*>(&pairs);
#pragma unroll
  for (int c = 0; c < 4; ++c) to[c] = values[c];
}

// Adds up four columns of one head over `count` results; result(i) and state(i) point at them.
template <int kHeads, class Result, class State>
__device__ float4 merge_columns(int head, int count, Result&& result, State&& state, float* top,
                                float* total) {
  *top = -INFINITY;
  *total = 0;
  float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll 4
  for (int i = 0; i < count; ++i) *top = fmaxf(*top, state(i)->peak[head]);
#pragma unroll 4
  for (int i = 0; i < count; ++i) {
    const float factor = share_of(state(i)->peak[head], *top);
    *total = fmaf(factor, state(i)->total[head], *total);
    add_scaled(&sum, factor, *result(i));
  }
  return sum;
}

// grid: parts (one cluster), kv heads, places of tokens; a power of two of warps.
template <class T, int kDim, int kHeads>
__global__ void __launch_bounds__(32 * kMostWarps) attend(const __grid_constant__ AttentionArgs a) {
  using Warp = WarpHeads<T, kDim, kHeads>;
  using States = HeadStates<kHeads>;
  extern __shared__ uint4 shared[];
  __shared__ States warp_states[kMostWarps];
  __shared__ States block_state;
  auto* const rings = reinterpret_cast<std::byte*>(shared);
  const int lane = threadIdx.x % 32;
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  const int parts = static_cast<int>(gridDim.x);
  const int part = static_cast<int>(blockIdx.x);
  const int kv_head = static_cast<int>(blockIdx.y);
  const int unit = part * warps + warp;
  const int units = parts * warps;
  let_next_start();
  wait_for_earlier();

  // A look-up need not wait for the row's number where the guess is right. What it finds is not
  // looked at before all loads are on their way.
  const auto [token, row] = token_place(a, static_cast<int>(blockIdx.z));
  int page = find_page(a.keys, row, unit + lane * units);
  if (token < 0) return;  // with bounds, which come without clusters
  Warp heads;
  const int64_t columns = static_cast<int64_t>(kv_head) * a.group * kDim;
  heads.start(static_cast<const T*>(a.q.data) + token * a.q_stride + columns, a.group);
  const Walk walk(key_range(a, token), unit, units);
  if (walk.range.row != row || walk.first != unit) {
    page = find_page(a.keys, walk.range.row, walk.tile(lane));
  }
  std::byte* const ring = rings + warp * ring_bytes(kDim);
  heads.attend(a, walk, kv_head, page, reinterpret_cast<T*>(ring));
  heads.publish(reinterpret_cast<float*>(ring), &warp_states[warp]);
  __syncthreads();

  T* const out = static_cast<T*>(a.out) + token * a.out_stride + columns;
  constexpr int kUnits = kDim / 4;
  const int items = a.group * kUnits;
  for (int i = threadIdx.x; i < items; i += static_cast<int>(blockDim.x)) {
    const int head = i / kUnits;
    const int column = i % kUnits * 4;
    // The block's own result replaces the first warp's, which no other thread reads here.
    float* const own = reinterpret_cast<float*>(rings) + head * Warp::kResultPitch + column;
    const auto result = [&](int w) {
      return reinterpret_cast<const float4*>(own + w * (ring_bytes(kDim) / 4));
    };
    float top, total;
    const float4 sum = merge_columns<kHeads>(
        head, warps, result, [&](int w) { return &warp_states[w]; }, &top, &total);
    if (parts == 1) {
      store_columns(out + head * kDim + column, sum, total);
      continue;
    }
    *reinterpret_cast<float4*>(own) = sum;
    if (column == 0) {
      block_state.peak[head] = top;
      block_state.total[head] = total;
    }
  }
  if (parts == 1) return;

  cluster_sync();
  const int share = (items + parts - 1) / parts;
  const int end = min(items, (part + 1) * share);
  for (int i = part * share + static_cast<int>(threadIdx.x); i < end;
       i += static_cast<int>(blockDim.x)) {
    const int head = i / kUnits;
    const int column = i % kUnits * 4;
    float* const own = reinterpret_cast<float*>(rings) + head * Warp::kResultPitch + column;
    float top, total;
    const float4 sum = merge_columns<kHeads>(
        head, parts, [&](int r) { return reinterpret_cast<const float4*>(cluster_peer(own, r)); },
        [&](int r) { return cluster_peer(&block_state, r); }, &top, &total);
    store_columns(out + head * kDim + column, sum, total);
  }
  cluster_leave();
}

// Calls f(T{}, head size, query heads) of the kernel that is compiled for a descriptor's shape.
template <class F>
bool with_kernel(const ElementType& type, int64_t dim, int64_t group, F&& f) {
  const auto with_heads = [&](auto tag, auto d) {
    if (group <= 8) return f(tag, d, std::integral_constant<int, 8>{}), true;
    if (group <= 16) return f(tag, d, std::integral_constant<int, 16>{}), true;
    return false;
  };
  const auto with_dim = [&](auto tag) {
    if (dim == 64) return with_heads(tag, std::integral_constant<int, 64>{});
    if (dim == 80) return with_heads(tag, std::integral_constant<int, 80>{});
    if (dim == 96) return with_heads(tag, std::integral_constant<int, 96>{});
    if (dim == 128) return with_heads(tag, std::integral_constant<int, 128>{});
    if (dim == 256) return with_heads(tag, std::integral_constant<int, 256>{});
    return false;
  };
  if (type == DType::kBFloat16) return with_dim(__nv_bfloat16{});
  if (type == DType::kFloat16) return with_dim(__half{});
  return false;
}

// How a token's keys are spread: `parts` blocks of `warps` warps each.
struct Spread {
  int parts, warps;
  std::string name() const {
    return "parts" + std::to_string(parts) + "_warps" + std::to_string(warps);
  }
};

std::string supports(const KernelDesc& desc) {
  if (desc.capability < 90 || desc.capability >= 120) return "needs 225 KiB of shared memory";
  const PartShape shape = part_shape(desc);
  const ElementType& type = desc.inputs[0].type;
  const int64_t group = shape.heads / shape.kv_heads;
  if (!with_kernel(type, shape.dim, group, [](auto, auto, auto) {})) {
    return not_compiled(type, shape.dim, group);
  }
  if (!(desc.outputs[0].type == type)) return "output is " + desc.outputs[0].type.name();
  const int64_t page = desc.inputs[1].shape[2];
  if (page != kKvBlockTokens) return "pages of " + std::to_string(page) + " tokens";
  if (shape.tokens > 65535) return std::to_string(shape.tokens) + " tokens";
  if (element_count(desc.inputs[1].shape) / (kTileKeys * shape.dim) > INT_MAX) {
    return "cache of more than 2^31 tiles";
  }
  return part_supports(desc);
}

// Best guess first: parts until there are about three blocks a processor of 132, but at least a
// tile for each warp, then neighbours of that number and blocks of more or fewer warps.
std::vector<Spread> spreads(const KernelDesc& desc) {
  constexpr int64_t kBlocks = 3 * 132;
  const PartShape shape = part_shape(desc);
  const int dim = static_cast<int>(shape.dim);
  const int warps = dim > 128 ? 2 : 4;
  const int64_t tiles = shape.blocks * kPageTiles;
  const int64_t most = std::min<int64_t>(kMostParts, tiles / warps);
  const int64_t columns = shape.kv_heads * std::max<int64_t>(1, shape.tokens);
  int guess = 1;
  while (guess * 2 <= most && guess * 2 * columns <= kBlocks) guess *= 2;
  std::vector<Spread> out = {{guess, warps}};
  if (guess > 1) out.push_back({guess / 2, warps});
  if (guess * 2 <= most) out.push_back({guess * 2, warps});
  if (2 * warps * ring_bytes(dim) <= kMostShared) out.push_back({guess, 2 * warps});
  if (guess == 1) out.push_back({1, warps / 2});
  return out;
}
std::vector<std::string> tactics(const KernelDesc& desc) {
  std::vector<std::string> names;
  for (const Spread& spread : spreads(desc)) names.push_back(spread.name());
  return names;
}
Spread spread_of(const KernelDesc& desc, std::string_view tactic) {
  const std::vector<Spread> all = spreads(desc);
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Spread& spread) { return spread.name() == tactic; });
  CHECK(tactic.empty() || found != all.end());
  return found == all.end() ? all[0] : *found;
}

// Made for single tokens: each one reads its keys by itself.
int rank(const KernelDesc& desc) {
  const PartShape shape = part_shape(desc);
  return shape.tokens <= shape.rows ? 30 : 18;
}

class StreamAttention final : public KernelInstance {
 public:
  StreamAttention(const KernelDesc& desc, const Spread& spread, const FreshBounds& fresh = {})
      : attrs_(desc.attrs), fresh_(fresh), spread_(spread) {
    const PartShape shape = part_shape(desc);
    with_kernel(desc.inputs[0].type, shape.dim, shape.heads / shape.kv_heads,
                [&](auto tag, auto dim, auto heads) { allow(attend<decltype(tag), dim, heads>); });
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const AttentionArgs a = attention_args(args, attrs_, fresh_);
    if (a.tokens == 0) return;
    CHECK(is_vector_aligned(args.inputs[0]));
    const EarlyGrid grid = {.blocks = attention_dims(spread_.parts, a.keys.heads, token_places(a)),
                            .threads = attention_dims(32 * spread_.warps),
                            .shared = static_cast<size_t>(spread_.warps * ring_bytes(a.keys.dim)),
                            .cluster = spread_.parts};
    with_kernel(args.inputs[0].type, a.keys.dim, a.group, [&](auto tag, auto dim, auto heads) {
      launch_early_grid(kName, context, attend<decltype(tag), dim, heads>, grid, a);
    });
  }

 private:
  void allow(void (*kernel)(AttentionArgs)) {
    const auto set = [&](cudaFuncAttribute attribute, int value) {
      cuda_check(cudaFuncSetAttribute(kernel, attribute, value), kName);
    };
    set(cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kMostShared));
    set(cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared);
    // Code for an older device, carried along as PTX, knows no clusters wherever it runs.
    cudaFuncAttributes made = {};
    cuda_check(cudaFuncGetAttributes(&made, kernel), kName);
    if (made.ptxVersion < 90) spread_.parts = 1;
    if (spread_.parts > kPortableParts) set(cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  }

  Attrs attrs_;
  FreshBounds fresh_;
  Spread spread_;
};

}  // namespace kernel_paged_attention_stream

std::unique_ptr<KernelInstance> bounded_stream(const KernelDesc& desc, const FreshBounds& fresh,
                                               int warps) {
  using namespace kernel_paged_attention_stream;
  return std::make_unique<StreamAttention>(desc, Spread{1, warps}, fresh);
}

// 16-bit types, groups up to 16, heads of 64, 80, 96, 128 and 256. Not invariant: tactics add in
// different orders.
const KernelDef& paged_attention_stream_kernel() {
  using namespace kernel_paged_attention_stream;
  static const KernelDef kernel = {
      .name = kName,
      .op = "paged_attention",
      .device = "cuda",
      .rank = rank,
      .supports = supports,
      .tactics = tactics,
      .prepare = [](const KernelDesc& desc,
                    std::string_view tactic) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<StreamAttention>(desc, spread_of(desc, tactic));
      }};
  return kernel;
}

}  // namespace ingot::cuda
