// unit: large

// Attention of many tokens on Hopper's warpgroup matrix instructions. A block takes 128 query rows
// of one KV head at a time: tokens of one sequence times the query heads of the group. One warp
// feeds tiles of 128 keys and values, page by page, through the tensor memory accelerator into
// rings of two buffers; two warpgroups take 64 rows each. A warpgroup multiplies one tile's queries
// and keys while the softmax of the tile before waits for its values, and the two take turns, so
// that one's exponentials run beside the other's products. Tiles go from the last keys to the
// first. Ideas: FlashAttention-3 (Shah et al., 2024).
#include <climits>

#include "kernels/cuda/arch/bounded_attention.cuh"
#include "kernels/cuda/arch/early_start.cuh"
#include "kernels/cuda/arch/query_tiles.cuh"
#include "kernels/cuda/arch/wgmma.cuh"
#include "kernels/cuda/contract/tensor_map.h"
#include "tensor/devices/cuda_code.h"

namespace ingot::cuda {
namespace kernel_paged_attention_wgmma {

constexpr const char* kName = "paged_attention_wgmma";
constexpr int kRows = 128;
constexpr int kTeamRows = 64;
constexpr int kKeys = 128;
constexpr int kStages = 2;
constexpr int kTeam = 128;  // threads of a warpgroup
constexpr int kTeams = kRows / kTeamRows;
constexpr int kThreads = (1 + kTeams) * kTeam;  // the first warpgroup feeds
constexpr int kLine = 128;                      // bytes of a swizzled row: 64 elements
// Bytes from 64 columns of a tile to the next 64; named barriers, one of each for each team.
// Unused where the kernel is empty.
[[maybe_unused]] constexpr int kHalfKeys = kKeys * kLine;
[[maybe_unused]] constexpr int kHalfRows = kTeamRows * kLine;
[[maybe_unused]] constexpr int kTurn = 1, kOwn = kTurn + kTeams;
constexpr float kLog2E = 1.44269504f;

// Queries lie by team, then by 64 columns; a finished tile's output takes their place.
template <int kDim>
struct Shared {
  static constexpr int kTile = kKeys * kDim * 2;
  std::byte queries[2][kTile];  // of this tile and the next
  std::byte keys[kStages][kTile];
  std::byte values[kStages][kTile];
  uint64_t keys_there[kStages], keys_read[kStages];
  uint64_t values_there[kStages], values_read[kStages];
  uint64_t values_landed;  // of a tile that needs zeros before it is passed on
};

// What a block works on: a tile of rows, and a KV head.
struct Work {
  RowTile tile;
  int kv_head;
  int begin, end;          // keys that some row sees; empty: none does
  int all_begin, all_end;  // keys that every row sees
};

// Work comes longest first. A grid that stays deals it out like cards, back and forth, so that the
// blocks' sums are about equal; where every item has a block there is one round.
__device__ inline Work find_work(const AttentionArgs& a, int tiles, int round) {
  const int blocks = static_cast<int>(gridDim.x);
  const int block = static_cast<int>(blockIdx.x);
  const int item = round * blocks + (round % 2 == 0 ? block : blocks - 1 - block);
  const int lane = static_cast<int>(threadIdx.x % 32);
  Work work = {{-1, 0, 0, 0}, 0, 0, 0, 0, 0};
  if (item >= tiles * a.keys.heads) return work;
  work.kv_head = item % a.keys.heads;
  work.tile = row_tile_at(a, kRows, tiles - 1 - item / a.keys.heads, lane);
  int begin = INT_MAX, end = 0, all_begin = 0, all_end = INT_MAX;
  const int last = (min(work.tile.first + kRows, work.tile.rows) - 1) / a.group;
#pragma unroll 1
  for (int t = work.tile.first / a.group + lane; t <= last; t += 32) {
    const KeyRange range = key_range(a, work.tile.token + t);
    all_begin = max(all_begin, range.begin);
    all_end = min(all_end, range.end);
    if (range.begin >= range.end) continue;
    begin = min(begin, range.begin);
    end = max(end, range.end);
  }
  end = __reduce_max_sync(~0u, end);
  work.begin = min(__reduce_min_sync(~0u, begin), end);
  work.end = end;
  work.all_begin = __reduce_max_sync(~0u, all_begin);
  work.all_end = __reduce_min_sync(~0u, all_end);
  return work;
}

// The warp that fetches keys and values.
template <int kDim>
struct Feeder {
  const AttentionArgs& a;
  Shared<kDim>& s;
  int past_end;  // a row that the tensors do not have: it arrives as zeros
  Ring<kStages> keys = {}, values = {};
  int landed = 0;

  // Lane l: the tensors' row at which page l of the tile of keys from `base` starts.
  __device__ int page_row(const Work& work, int base) const {
    const int lane = threadIdx.x % 32;
    const int block = base / a.keys.page_tokens + lane;
    if (lane >= kKeys / a.keys.page_tokens || block >= a.keys.blocks) return past_end;
    const int page =
        a.keys.tables[static_cast<int64_t>(work.tile.sequence) * a.keys.blocks + block];
    if (page < 0 || page >= a.keys.pages) return past_end;
    return (page * a.keys.heads + work.kv_head) * a.keys.page_tokens;
  }

  // Pages that hold keys [low, high) of a tile.
  __device__ void copy_pages(const CUtensorMap& map, std::byte* to, int row, int low, int high,
                             uint64_t* barrier) const {
    const int size = a.keys.page_tokens;
    const int begin = low / size;
    const int end = (high + size - 1) / size;
    if (threadIdx.x == 0) barrier_expect(barrier, (end - begin) * size * kDim * 2);
#pragma unroll 1
    for (int p = begin; p < end; ++p) {
      const int from = __shfl_sync(~0u, row, p);
      if (threadIdx.x != 0) continue;
#pragma unroll
      for (int half = 0; half < kDim / 64; ++half) {
        copy_box(to + half * kHalfKeys + p * size * kLine, map, 64 * half, from, barrier);
      }
    }
    __syncwarp();
  }

  __device__ void feed_keys(const CUtensorMap& map, const Work& work, int base, int row) {
    barrier_wait(&s.keys_read[keys.index], keys.parity ^ 1);
    copy_pages(map, s.keys[keys.index], row, max(work.begin - base, 0), min(work.end - base, kKeys),
               &s.keys_there[keys.index]);
    keys.advance();
  }

  // Values outside of the tile's keys, which may be anything, also no number, become zeros: their
  // weights are zeros, but a product with no number is none.
  __device__ void feed_values(const CUtensorMap& map, const Work& work, int base, int row) {
    barrier_wait(&s.values_read[values.index], values.parity ^ 1);
    std::byte* to = s.values[values.index];
    uint64_t* there = &s.values_there[values.index];
    const int low = max(work.begin - base, 0);
    const int high = min(work.end - base, kKeys);
    values.advance();
    if (high - low == kKeys) return copy_pages(map, to, row, low, high, there);
    copy_pages(map, to, row, low, high, &s.values_landed);
    barrier_wait(&s.values_landed, landed);
    landed ^= 1;
#pragma unroll 4
    for (int i = threadIdx.x; i < kKeys * kDim / 8; i += 32) {
      const int key = i / (kLine / 16) % kKeys;
      if (key < low || key >= high) reinterpret_cast<uint4*>(to)[i] = make_uint4(0, 0, 0, 0);
    }
    fence_async();
    __syncwarp();
    if (threadIdx.x == 0) barrier_arrive(there);
  }

  __device__ void run(const CUtensorMap& key_map, const CUtensorMap& value_map, int tiles) {
    for (int round = 0;; ++round) {
      const Work work = find_work(a, tiles, round);
      if (work.tile.sequence < 0) return;
      if (work.begin >= work.end) continue;
      const int first = work.begin / kKeys * kKeys;
      int base = (work.end - 1) / kKeys * kKeys;
      int row = page_row(work, base);
      feed_keys(key_map, work, base, row);
      for (; base > first; base -= kKeys) {
        const int before = page_row(work, base - kKeys);
        feed_keys(key_map, work, base - kKeys, before);
        feed_values(value_map, work, base, row);
        row = before;
      }
      feed_values(value_map, work, base, row);
    }
  }
};

__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// A warpgroup's 64 rows. A thread holds two of them, or a quarter of each: see arch/wgmma.cuh.
template <class T, int kDim>
struct Team {
  const AttentionArgs& a;
  Shared<kDim>& s;
  Ring<kStages> keys = {}, values = {};
  float out[kDim / 2];
  float score[kKeys / 2];
  uint32_t weight[kKeys / 4];  // a tile's weights as left operands
  float peak[2], total[2];     // of raw scores; total of this thread's columns
  int begin[2], end[2];        // the rows' keys
  float scale = a.scale * kLog2E;

  static __device__ int team() { return static_cast<int>(threadIdx.x) / kTeam - 1; }
  static __device__ int warp() { return static_cast<int>(threadIdx.x) / 32 % 4; }
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  // First row of the warp in the block's tile.
  static __device__ int warp_row() { return team() * kTeamRows + warp() * 16; }

  // The place of a team's queries, and after them of its results.
  __device__ std::byte* own_rows(int buffer) const {
    return s.queries[buffer] + team() * kTeamRows * kDim * 2;
  }
  static __device__ int unit_offset(int row, int unit) {
    return unit / 8 * kHalfRows + row * kLine + ((unit ^ row) % 8) * 16;
  }

  // Without waiting for them; zeros in the rows after the last.
  __device__ void fetch_queries(const Work& work, int buffer) const {
    if (work.tile.sequence < 0) return;
    constexpr int kUnits = kDim / 8;
    const T* q = static_cast<const T*>(a.q.data);
    std::byte* to = own_rows(buffer);
#pragma unroll
    for (int i = threadIdx.x % kTeam; i < kTeamRows * kUnits; i += kTeam) {
      const int index = work.tile.first + team() * kTeamRows + i / kUnits;
      const int head = work.kv_head * a.group + index % a.group;
      const bool valid = index < work.tile.rows;
      const int64_t from = (work.tile.token + index / a.group) * a.q_stride +
                           static_cast<int64_t>(head) * kDim + i % kUnits * 8;
      cp_async16(to + unit_offset(i / kUnits, i % kUnits), q + (valid ? from : 0), valid);
    }
  }

  __device__ void start(const Work& work) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      peak[half] = -INFINITY;
      total[half] = 0;
      begin[half] = end[half] = 0;
      const int index = work.tile.first + warp_row() + lane() / 4 + 8 * half;
      if (index >= work.tile.rows) continue;
      const KeyRange range = key_range(a, work.tile.token + index / a.group);
      begin[half] = range.begin;
      end[half] = range.end;
    }
#pragma unroll
    for (int i = 0; i < kDim / 2; ++i) out[i] = 0;
  }

  __device__ void multiply_keys(int buffer) {
    const uint64_t left = wgmma_rows(shared_address(own_rows(buffer)));
    const uint64_t right = wgmma_rows(shared_address(s.keys[keys.index]));
    wgmma_fence();
#pragma unroll
    for (int d = 0; d < kDim; d += 16) {
      const int within = d % 64 * 2;
      wgmma_keys(score, left + ((d / 64 * kHalfRows + within) >> 4),
                 right + ((d / 64 * kHalfKeys + within) >> 4), d > 0, T{});
    }
    wgmma_commit();
  }
  __device__ void multiply_values() {
    const uint64_t right = wgmma_columns(shared_address(s.values[values.index]), kHalfKeys);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kKeys; k += 16) {
      wgmma_values(out, weight + k / 4, right + (k * kLine >> 4), T{});
    }
    wgmma_commit();
  }
  // The feeder may overwrite what the finished products have read.
  static __device__ void release(uint64_t* read, Ring<kStages>* ring) {
    if (lane() == 0) barrier_arrive(&read[ring->index]);
    ring->advance();
  }

  // Scores of keys from `base` on into weights, in float32; returns by what earlier sums shrink.
  template <bool kMasked>
  __device__ float soften(int base, int half) {
    const int column = base + 2 * (lane() % 4);
    float top = peak[half];
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      float& x = score[i / 2 * 4 + 2 * half + i % 2];
      const int key = column + i / 2 * 8 + i % 2;
      if (kMasked && (key < begin[half] || key >= end[half])) x = -INFINITY;
      top = fmaxf(top, x);
    }
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
    top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
    const float origin = kMasked && top == -INFINITY ? 0.0f : top * scale;
    const float shrink = exp2_fast(peak[half] * scale - origin);
    float sum = total[half] * shrink;
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      float& x = score[i / 2 * 4 + 2 * half + i % 2];
      x = exp2_fast(x * scale - origin);
      sum += x;
    }
    total[half] = sum;
    peak[half] = top;
    return shrink;
  }
  __device__ void pack() {
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) weight[i] = pack_pair(score[2 * i], score[2 * i + 1], T{});
  }

  // One tile of keys, and the values of the tile before, whose weights are packed.
  template <bool kMasked>
  __device__ void step(int base, int buffer) {
    barrier_wait(&s.keys_there[keys.index], keys.parity);
    named_sync(kTurn + team(), kTeams * kTeam);
    multiply_keys(buffer);
    named_arrive(kTurn + (team() ^ 1), kTeams * kTeam);
    barrier_wait(&s.values_there[values.index], values.parity);
    multiply_values();
    wgmma_wait<1>();
    wgmma_hold(score);
    release(s.keys_read, &keys);
    const float shrink[2] = {soften<kMasked>(base, 0), soften<kMasked>(base, 1)};
    wgmma_hold(score);
    // Has long passed. ptxas moves wgmma_wait<0>() up to the other wait, so that the exponentials
    // come behind the products that they are to run beside; it does not move it across this loop.
    barrier_wait(&s.values_there[values.index], values.parity);
    wgmma_wait<0>();
    wgmma_hold(out);
    wgmma_hold(weight);
    release(s.values_read, &values);
#pragma unroll
    for (int i = 0; i < kDim / 2; ++i) out[i] *= shrink[i / 2 % 2];
    pack();
  }

  // All keys of a tile of rows, whose queries lie in `buffer`. meanwhile() is called while the
  // first products run.
  template <class F>
  __device__ void attend(const Work& work, int buffer, F&& meanwhile) {
    start(work);
    if (work.begin >= work.end) return meanwhile();
    const int first = work.begin / kKeys * kKeys;
    int base = (work.end - 1) / kKeys * kKeys;
    barrier_wait(&s.keys_there[keys.index], keys.parity);
    named_sync(kTurn + team(), kTeams * kTeam);
    multiply_keys(buffer);
    named_arrive(kTurn + (team() ^ 1), kTeams * kTeam);
    meanwhile();
    wgmma_wait<0>();
    wgmma_hold(score);
    release(s.keys_read, &keys);
    soften<true>(base, 0);
    soften<true>(base, 1);
    pack();
    while (base > first) {
      base -= kKeys;
      if (base >= work.all_begin && base + kKeys <= work.all_end) {
        step<false>(base, buffer);
      } else {
        step<true>(base, buffer);
      }
    }
    barrier_wait(&s.values_there[values.index], values.parity);
    multiply_values();
    wgmma_wait<0>();
    wgmma_hold(out);
    wgmma_hold(weight);
    release(s.values_read, &values);
  }

  // The result, through the place of the queries so that whole lines are written.
  __device__ void write(const Work& work, int buffer, bool vector_out) {
    std::byte* rows = own_rows(buffer) + warp() * 16 * kLine;
    named_sync(kOwn + team(), kTeam);  // the other warps' products have read their queries
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = total[half];
      sum += __shfl_xor_sync(~0u, sum, 1);
      sum += __shfl_xor_sync(~0u, sum, 2);
      const float factor = sum > 0 ? 1.0f / sum : sum;  // no keys: zeros; no number stays none
      const int row = lane() / 4 + 8 * half;
#pragma unroll
      for (int n = 0; n < kDim / 8; ++n) {
        const float* pair = out + 4 * n + 2 * half;
        *reinterpret_cast<uint32_t*>(rows + unit_offset(row, n) + lane() % 4 * 4) =
            pack_pair(pair[0] * factor, pair[1] * factor, T{});
      }
    }
    __syncwarp();
    constexpr int kUnits = kDim / 8;
    for (int i = lane(); i < 16 * kUnits; i += 32) {
      const int index = work.tile.first + warp_row() + i / kUnits;
      if (index >= work.tile.rows) break;
      const int head = work.kv_head * a.group + index % a.group;
      T* to = static_cast<T*>(a.out) + (work.tile.token + index / a.group) * a.out_stride +
              static_cast<int64_t>(head) * kDim + i % kUnits * 8;
      const uint4 unit = *reinterpret_cast<uint4*>(rows + unit_offset(i / kUnits, i % kUnits));
      if (vector_out) {
        *reinterpret_cast<uint4*>(to) = unit;
        continue;
      }
      const T* elements = reinterpret_cast<const T*>(&unit);
#pragma unroll
      for (int c = 0; c < 8; ++c) to[c] = elements[c];
    }
  }

  __device__ void run(int tiles, bool vector_out) {
    if (team() == 1) named_arrive(kTurn, kTeams * kTeam);  // team 0 begins
    Work work = find_work(a, tiles, 0);
    fetch_queries(work, 0);
    for (int round = 0; work.tile.sequence >= 0; ++round) {
      const int buffer = round % 2;
      cp_async_commit();
      cp_async_wait<0>();
      fence_async();
      named_sync(kOwn + team(), kTeam);
      Work next;
      attend(work, buffer, [&] {
        next = find_work(a, tiles, round + 1);
        fetch_queries(next, 1 - buffer);
      });
      write(work, buffer, vector_out);
      work = next;
    }
  }
};

// grid: any number of blocks; see find_work().
template <class T, int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    attend(const __grid_constant__ AttentionArgs a, const __grid_constant__ CUtensorMap key_map,
           const __grid_constant__ CUtensorMap value_map, int past_end, bool vector_out) {
  if constexpr (kIsSm90a) {
    extern __shared__ uint4 dynamic[];
    const uint32_t misplaced = shared_address(dynamic) % 1024;
    auto& s = *reinterpret_cast<Shared<kDim>*>(reinterpret_cast<std::byte*>(dynamic) +
                                               (1024 - misplaced) % 1024);
    if (threadIdx.x == 0) {
      for (int i = 0; i < kStages; ++i) {
        barrier_init(&s.keys_there[i], 1);
        barrier_init(&s.values_there[i], 1);
        barrier_init(&s.keys_read[i], kTeams * kTeam / 32);
        barrier_init(&s.values_read[i], kTeams * kTeam / 32);
      }
      barrier_init(&s.values_landed, 1);
      barrier_init_fence();
    }
    __syncthreads();
    wait_for_earlier();
    const int tiles = count_row_tiles(a, kRows, static_cast<int>(threadIdx.x % 32));
    if (threadIdx.x < kTeam) {
      give_registers<56>();
      if (threadIdx.x < 32) Feeder<kDim>{a, s, past_end}.run(key_map, value_map, tiles);
    } else {
      take_registers<224>();
      Team<T, kDim>{a, s}.run(tiles, vector_out);
    }
  }
}

bool with_dim(int64_t dim, auto&& f) {
  if (dim == 64) return f(std::integral_constant<int, 64>{}), true;
  if (dim == 128) return f(std::integral_constant<int, 128>{}), true;
  return false;
}

std::string supports(const KernelDesc& desc) {
  if (desc.capability != 90) return "needs compute capability 9.0";
  if (!names_architecture(cuda_architectures(), "90a")) return "not built for sm_90a";
  const ElementType& type = desc.inputs[0].type;
  if (type != DType::kBFloat16 && type != DType::kFloat16) return "input is " + type.name();
  if (!(desc.inputs[1].type == type)) return "cache is " + desc.inputs[1].type.name();
  if (!(desc.outputs[0].type == type)) return "output is " + desc.outputs[0].type.name();
  const int64_t dim = desc.inputs[1].shape[3];
  if (!with_dim(dim, [](auto) {})) return "heads of " + std::to_string(dim);
  const int64_t page = desc.inputs[1].shape[2];
  if (page < 1 || kKeys % page != 0) return "pages of " + std::to_string(page) + " tokens";
  if (attr_or<double>(desc.attrs, "softcap", 0.0) > 0) return "capped scores";
  if (!(attr_or<double>(desc.attrs, "scale", 1.0) > 0)) return "scale is not positive";
  if (desc.inputs[0].shape[0] < 32) return "fewer than 32 tokens";
  return attention_supports(desc);
}

// Made for many tokens of few sequences.
int rank(const KernelDesc& desc) {
  const int64_t tokens = desc.inputs[0].shape[0];
  return tokens >= kRows && tokens > desc.inputs[7].shape[0] ? 32 : 24;
}

// One block a processor, or one an item of work.
std::vector<std::string> tactics(const KernelDesc&) { return {"resident", "single"}; }

class Wgmma final : public KernelInstance {
 public:
  Wgmma(const KernelDesc& desc, std::string_view tactic, const FreshBounds& fresh = {})
      : attrs_(desc.attrs), fresh_(fresh), resident_(tactic != "single") {}

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const AttentionArgs a = attention_args(args, attrs_, fresh_);
    if (a.tokens == 0) return;
    cuda_stream(context.stream);  // makes the device this thread's
    CHECK(is_vector_aligned(args.inputs[0]));
    with_dim(a.keys.dim, [&](auto dim) {
      if (a.q.type == DType::kBFloat16) {
        run<__nv_bfloat16, dim>(a, is_vector_aligned(args.outputs[0]), context);
      } else {
        run<__half, dim>(a, is_vector_aligned(args.outputs[0]), context);
      }
    });
  }

 private:
  template <class T, int kDim>
  void run(const AttentionArgs& a, bool vector_out, ExecContext& context) {
    constexpr size_t kShared = sizeof(Shared<kDim>) + 1024;
    const auto kernel = attend<T, kDim>;
    if (processors_ == 0) {
      cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
                 kName);
      int device = 0;
      cuda_check(cudaGetDevice(&device), kName);
      cuda_check(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device),
                 kName);
    }
    const int64_t rows = a.keys.pages * a.keys.heads * a.keys.page_tokens;
    CHECK_LE(rows, int64_t{INT_MAX} - kKeys);
    const auto map = [&](const KvPages& pages) {
      return tensor_map(pages.data, pages.type, rows, kDim, a.keys.page_tokens);
    };
    const int64_t sequences = std::min(a.keys.batch, a.tokens / std::max(1, a.fresh.least));
    const int64_t items = most_row_tiles(a.tokens, a.group, sequences, kRows) * a.keys.heads;
    const int64_t blocks = resident_ ? std::min<int64_t>(items, processors_) : items;
    launch_early(kName, context, kernel, {blocks, 1, kThreads}, kShared, a, map(a.keys),
                 map(a.values), static_cast<int>(rows), vector_out);
  }

  Attrs attrs_;
  FreshBounds fresh_;
  bool resident_;
  int processors_ = 0;  // 0 until the kernel, always the same one, is set up
};

}  // namespace kernel_paged_attention_wgmma

std::unique_ptr<KernelInstance> bounded_wgmma(const KernelDesc& desc, const FreshBounds& fresh,
                                              std::string_view tactic) {
  using namespace kernel_paged_attention_wgmma;
  return std::make_unique<Wgmma>(desc, tactic, fresh);
}

// 16-bit types, heads of 64 and 128, causal or not, sliding windows; capability 9.0. Weights are
// rounded to 16 bits before they meet the values. Not declared invariant, though a row's result
// depends on its own keys alone: products with few rows have other kernels.
const KernelDef& paged_attention_wgmma_kernel() {
  using namespace kernel_paged_attention_wgmma;
  static const KernelDef kernel = {
      .name = kName,
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .rank = rank,
      .supports = supports,
      .tactics = tactics,
      .prepare = [](const KernelDesc& desc, std::string_view tactic)
          -> std::unique_ptr<KernelInstance> { return std::make_unique<Wgmma>(desc, tactic); }};
  return kernel;
}

}  // namespace ingot::cuda
