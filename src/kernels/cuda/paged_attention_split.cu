// unit: large

// Attention on CUDA cores. The keys of a token are cut at multiples of kSplit positions; each split
// is worked on by one block and its result does not depend on anything else, and the splits are
// merged in order of position. Whether one block walks all splits of a token ("serial") or many
// blocks share them and a second kernel merges ("split") gives the same bits, in any batch.
#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {
namespace kernel_paged_attention_split {

constexpr int kSplit = 256;  // keys
constexpr int kTileKeys = 32;

struct SplitArgs {
  AttentionArgs a;
  float* partial;  // [tokens][heads][splits][dim + 2]: sums, peak, total; null: serial
  int splits;
  int warps;
};

// One split's softmax sum folded into what precedes it.
struct Running {
  float peak, total, sum;
};
__device__ void fold(Running* r, float peak, float total, float sum) {
  const float top = fmaxf(r->peak, peak);
  const float before = expf(r->peak - top);
  const float now = expf(peak - top);
  r->total = __fmaf_rn(r->total, before, __fmul_rn(total, now));
  r->sum = __fmaf_rn(r->sum, before, __fmul_rn(sum, now));
  r->peak = top;
}

// Shared memory: queries [kHeads][dim], running sums [kHeads][dim], their peaks and totals, slopes,
// then the warps' tiles of keys and values, where the warps' results lie afterwards.
template <class C, int kHeads>
struct Layout {
  int dim, pitch;  // pitch: bytes of a key in a tile
  __host__ __device__ explicit Layout(int d)
      : dim(d), pitch(d * static_cast<int>(sizeof(C)) + 16) {}
  __host__ __device__ int tile_bytes() const { return kTileKeys * pitch; }
  __host__ __device__ int head_bytes() const { return kHeads * (2 * dim + 4) * 4; }
  __host__ __device__ int result_floats() const { return kHeads * (dim + 2); }
  __host__ __device__ int bytes(int warps) const {
    const int tiles = 2 * tile_bytes();
    const int results = result_floats() * 4;
    return head_bytes() + warps * (tiles > results ? tiles : results);
  }
};

// A warp's keys [base + low, base + high) of a page into its tile, zeros for the rest.
template <class C>
__device__ void fetch_tile(const KvPages& cache, int64_t slot, int low, int high, int pitch,
                           std::byte* tile) {
  const int units = cache.dim * static_cast<int>(sizeof(C)) / 16;
  const auto* from = reinterpret_cast<const uint4*>(reinterpret_cast<const C*>(cache.data) +
                                                    (slot < 0 ? 0 : slot));
  for (int i = threadIdx.x % 32; i < kTileKeys * units; i += 32) {
    const int key = i / units;
    const bool valid = slot >= 0 && key >= low && key < high;
    cp_async16(tile + key * pitch + i % units * 16, from + (valid ? i : 0), valid);
  }
  cp_async_commit();
}

__device__ inline float2 load_pair(const float* p) { return *reinterpret_cast<const float2*>(p); }
__device__ inline float2 load_pair(const __nv_bfloat16* p) {
  return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(p));
}
__device__ inline float2 load_pair(const __half* p) {
  return __half22float2(*reinterpret_cast<const __half2*>(p));
}

// One warp's share of a split: an online softmax over its tiles. Lane i holds columns 64 s + 2 i
// and 64 s + 2 i + 1.
template <class C, int kHeads, int kSteps>
struct WarpState {
  float peak[kHeads], total[kHeads];
  float2 sum[kHeads][kSteps];

  __device__ void clear() {
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      peak[h] = -INFINITY;
      total[h] = 0;
#pragma unroll
      for (int s = 0; s < kSteps; ++s) sum[h][s] = make_float2(0, 0);
    }
  }

  // Scores of the key that is this lane's, then weights; the values' part follows. `end`: of the
  // token's keys, counted from the tile's first.
  __device__ void visit(const AttentionArgs& a, const float* q, const float* slopes,
                        const std::byte* keys, const std::byte* values, int pitch, int low,
                        int high, int end) {
    const int lane = threadIdx.x % 32;
    const int dim = a.keys.dim;
    float weight[kHeads] = {};
    cp_async_wait<1>();
    __syncwarp();
    const auto* key = reinterpret_cast<const C*>(keys + lane * pitch);
#pragma unroll 2
    for (int d = 0; d < dim; d += 8) {
      float k[8];
      load8(key + d, k);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        float v[8];
        load8(q + h * dim + d, v);
#pragma unroll
        for (int i = 0; i < 8; ++i) weight[h] = fmaf(v[i], k[i], weight[h]);
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      const bool seen = lane >= low && lane < high;
      const float score =
          seen ? biased_score(attention_score(a, weight[h]), slopes[h], lane, end) : -INFINITY;
      const float top = fmaxf(peak[h], warp_max(score));
      const float shrink = expf(peak[h] - top);
      weight[h] = expf(score - top);
      total[h] = fmaf(total[h], shrink, warp_sum(weight[h]));
      peak[h] = top;
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        sum[h][s].x *= shrink;
        sum[h][s].y *= shrink;
      }
    }
    cp_async_wait<0>();
    __syncwarp();
    for (int j = low; j < high; ++j) {
      const auto* value = reinterpret_cast<const C*>(values + j * pitch);
      float2 v[kSteps];
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        const int d = 64 * s + 2 * lane;
        v[s] = d < dim ? load_pair(value + d) : make_float2(0, 0);
      }
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float w = __shfl_sync(~0u, weight[h], j);
#pragma unroll
        for (int s = 0; s < kSteps; ++s) {
          sum[h][s].x = fmaf(w, v[s].x, sum[h][s].x);
          sum[h][s].y = fmaf(w, v[s].y, sum[h][s].y);
        }
      }
    }
    __syncwarp();  // the tile is free again
  }

  // Sums, then peak and total, of every head.
  __device__ void store(float* to, int dim) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      float* head = to + h * (dim + 2);
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        const int d = 64 * s + 2 * lane;
        if (d < dim) {
          head[d] = sum[h][s].x;
          head[d + 1] = sum[h][s].y;
        }
      }
      if (lane == 0) {
        head[dim] = peak[h];
        head[dim + 1] = total[h];
      }
    }
  }
};

// Merges the warps' results of one column of one head, in order.
__device__ Running merge_warps(const float* results, int stride, int warps, int dim, int column) {
  float top = -INFINITY;
  for (int w = 0; w < warps; ++w) top = fmaxf(top, results[w * stride + dim]);
  Running out = {top, 0, 0};
  for (int w = 0; w < warps; ++w) {
    const float* r = results + w * stride;
    const float factor = expf(r[dim] - top);
    out.total = __fmaf_rn(r[dim + 1], factor, out.total);
    out.sum = __fmaf_rn(r[column], factor, out.sum);
  }
  return out;
}

// What one block works on: query heads [first_head, first_head + heads) of one token, which share a
// KV head.
struct Place {
  int token, kv_head, first_head, heads;
};
template <int kHeads>
__device__ Place place_of(const AttentionArgs& a) {
  const int chunks = (a.group + kHeads - 1) / kHeads;
  const int kv_head = blockIdx.y / chunks;
  const int in_group = static_cast<int>(blockIdx.y % chunks) * kHeads;
  return {static_cast<int>(blockIdx.x), kv_head, kv_head * a.group + in_group,
          min(kHeads, a.group - in_group)};
}

// The heads' sums so far, in shared memory; peak and total of head h are state[2 h] and the next.
struct RunningHeads {
  float* sums;
  float* state;
  float* slopes;
};

// Merges the warps' results of a split and writes them to the workspace.
__device__ void publish(const SplitArgs& args, const Place& place, int split, const float* results,
                        int stride) {
  const int dim = args.a.keys.dim;
  const int64_t first = static_cast<int64_t>(place.token) * args.a.heads + place.first_head;
  for (int i = threadIdx.x; i < place.heads * dim; i += blockDim.x) {
    const int h = i / dim;
    const int d = i % dim;
    const Running now = merge_warps(results + h * (dim + 2), stride, args.warps, dim, d);
    float* to = args.partial + ((first + h) * args.splits + split) * (dim + 2);
    to[d] = now.sum;
    if (d == 0) {
      to[dim] = now.peak;
      to[dim + 1] = now.total;
    }
  }
}

// Merges the warps' results of a split and folds them into the running sums.
__device__ void accumulate(const SplitArgs& args, const Place& place, const RunningHeads& run,
                           const float* results, int stride) {
  const int dim = args.a.keys.dim;
  for (int i = threadIdx.x; i < place.heads * dim; i += blockDim.x) {
    const int h = i / dim;
    const Running now = merge_warps(results + h * (dim + 2), stride, args.warps, dim, i % dim);
    Running all = {run.state[2 * h], 0, run.sums[i]};
    fold(&all, now.peak, 0, now.sum);
    run.sums[i] = all.sum;
  }
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < place.heads) {
    const int h = threadIdx.x;
    const Running now = merge_warps(results + h * (dim + 2), stride, args.warps, dim, 0);
    Running all = {run.state[2 * h], run.state[2 * h + 1], 0};
    fold(&all, now.peak, now.total, 0);
    run.state[2 * h] = all.peak;
    run.state[2 * h + 1] = all.total;
  }
}

// One warp's tiles of a split.
template <class C, int kHeads, int kSteps>
__device__ void attend_split(const SplitArgs& args, const KeyRange& range, int kv_head, int split,
                             const float* q, const float* slopes, std::byte* tiles, float* result) {
  const AttentionArgs& a = args.a;
  const Layout<C, kHeads> layout(a.keys.dim);
  std::byte* values = tiles + layout.tile_bytes();
  WarpState<C, kHeads, kSteps> state;
  state.clear();
  for (int tile = threadIdx.x / 32; tile < kSplit / kTileKeys; tile += args.warps) {
    const int base = split * kSplit + tile * kTileKeys;
    const int low = max(range.begin - base, 0);
    const int high = min(range.end - base, kTileKeys);
    if (low >= high) continue;
    const int64_t slot = a.keys.slot(range.row, base, kv_head);
    fetch_tile<C>(a.keys, slot, low, high, layout.pitch, tiles);
    fetch_tile<C>(a.values, slot, low, high, layout.pitch, values);
    state.visit(a, q, slopes, tiles, values, layout.pitch, low, high, range.end - base);
  }
  __syncthreads();  // results lie where the tiles were
  state.store(result, a.keys.dim);
  __syncthreads();
}

// grid: tokens, kv heads * chunks of kHeads query heads, places that share the splits.
template <class C, int kHeads, int kSteps>
__global__ void attend(SplitArgs args) {
  extern __shared__ uint4 shared[];
  let_next_start();
  wait_for_earlier();
  const AttentionArgs& a = args.a;
  const int dim = a.keys.dim;
  const Layout<C, kHeads> layout(dim);
  const Place place = place_of<kHeads>(a);
  const KeyRange range = key_range(a, place.token);
  const int end_split = (range.end + kSplit - 1) / kSplit;
  int split = range.begin / kSplit + static_cast<int>(blockIdx.z);
  if (args.partial && split >= end_split) return;

  auto* q = reinterpret_cast<float*>(shared);
  const RunningHeads run = {q + kHeads * dim, q + 2 * kHeads * dim, q + kHeads * (2 * dim + 2)};
  std::byte* tiles = reinterpret_cast<std::byte*>(shared) + layout.head_bytes();
  auto* results = reinterpret_cast<float*>(tiles);
  const int stride = layout.result_floats();
  const int64_t column = static_cast<int64_t>(place.first_head) * dim;
  for (int i = threadIdx.x; i < kHeads * dim; i += blockDim.x) {
    q[i] = i < place.heads * dim ? load_any(a.q, place.token * a.q_stride + column + i) : 0.0f;
    run.sums[i] = 0;
  }
  if (threadIdx.x < kHeads) {
    run.state[2 * threadIdx.x] = -INFINITY;
    run.state[2 * threadIdx.x + 1] = 0;
    const bool real = static_cast<int>(threadIdx.x) < place.heads;
    run.slopes[threadIdx.x] = real ? head_slope(a, place.first_head + threadIdx.x) : 0.0f;
  }
  __syncthreads();

  const int warp = threadIdx.x / 32;
  for (; split < end_split; split += gridDim.z) {
    attend_split<C, kHeads, kSteps>(args, range, place.kv_head, split, q, run.slopes,
                                    tiles + warp * 2 * layout.tile_bytes(),
                                    results + warp * stride);
    if (args.partial) {
      publish(args, place, split, results, stride);
    } else {
      accumulate(args, place, run, results, stride);
    }
    __syncthreads();
  }
  if (args.partial) return;
  for (int i = threadIdx.x; i < place.heads * dim; i += blockDim.x) {
    const float total = run.state[2 * (i / dim) + 1];
    store_any(a.out, a.out_type, place.token * a.out_stride + column + i,
              total > 0 ? run.sums[i] / total : 0.0f);
  }
}

// grid: tokens, heads; a thread a column.
__global__ void combine(SplitArgs args) {
  let_next_start();
  wait_for_earlier();
  const AttentionArgs& a = args.a;
  const int token = blockIdx.x;
  const int head = blockIdx.y;
  const int d = threadIdx.x;
  const int dim = a.keys.dim;
  const KeyRange range = key_range(a, token);
  if (d >= dim) return;
  Running all = {-INFINITY, 0, 0};
  const float* base =
      args.partial + (static_cast<int64_t>(token) * a.heads + head) * args.splits * (dim + 2);
#pragma unroll 4
  for (int split = range.begin / kSplit; split < (range.end + kSplit - 1) / kSplit; ++split) {
    const float* from = base + static_cast<int64_t>(split) * (dim + 2);
    fold(&all, from[dim], from[dim + 1], from[d]);
  }
  const int64_t at = token * a.out_stride + static_cast<int64_t>(head) * dim + d;
  store_any(a.out, a.out_type, at, all.total > 0 ? all.sum / all.total : 0.0f);
}

int64_t split_count(int64_t blocks, int64_t page_tokens) {
  return ceil_div(blocks * page_tokens, kSplit);
}
int64_t partial_bytes(const KernelDesc& desc) {
  const Shape& cache = desc.inputs[1].shape;
  const int64_t heads = desc.inputs[0].shape[1] / cache[3];
  return desc.inputs[0].shape[0] * heads * split_count(desc.inputs[7].shape[1], cache[2]) *
         (cache[3] + 2) * 4;
}

class SplitAttention final : public KernelInstance {
 public:
  SplitAttention(const KernelDesc& desc, bool split)
      : attrs_(desc.attrs), bytes_(split ? partial_bytes(desc) : 0) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    SplitArgs s = {};
    s.a = attention_args(args, attrs_);
    if (s.a.tokens == 0) return;
    s.splits = static_cast<int>(split_count(s.a.keys.blocks, s.a.keys.page_tokens));
    if (bytes_ != 0) {
      const int64_t needed = int64_t{4} * s.a.tokens * s.a.heads * s.splits * (s.a.keys.dim + 2);
      CHECK_LE(needed, static_cast<int64_t>(context.workspace.size()));
      s.partial = reinterpret_cast<float*>(context.workspace.data());
    }
    with_float(args.inputs[1].type, [&](auto tag) {
      using C = decltype(tag);
      if (s.a.group == 1) {
        steps<C, 1>(s, context);
      } else if (s.a.group <= 4) {
        steps<C, 4>(s, context);
      } else {
        steps<C, 8>(s, context);
      }
    });
    if (!s.partial) return;
    launch_early_grid("paged_attention_split", context, combine,
                      {.blocks = attention_dims(s.a.tokens, s.a.heads),
                       .threads = attention_dims(ceil_div(s.a.keys.dim, 32) * 32)},
                      s);
  }

 private:
  template <class C, int kHeads>
  void steps(SplitArgs& s, ExecContext& context) {
    const int dim = s.a.keys.dim;
    if (dim <= 64) return run<C, kHeads, 1>(s, context);
    if (dim <= 128) return run<C, kHeads, 2>(s, context);
    run<C, kHeads, 4>(s, context);
  }
  template <class C, int kHeads, int kSteps>
  void run(SplitArgs& s, ExecContext& context) {
    constexpr int kMostShared = 200 << 10;
    constexpr int kWave = 528;  // blocks that fill a large device
    const Layout<C, kHeads> layout(s.a.keys.dim);
    s.warps = layout.bytes(4) <= kMostShared ? 4 : 2;
    const int bytes = layout.bytes(s.warps);
    const auto kernel = attend<C, kHeads, kSteps>;
    if (!prepared_) {
      cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
                 "paged_attention_split");
      prepared_ = true;
    }
    const int64_t columns = s.a.keys.heads * ceil_div(s.a.group, kHeads);
    int64_t places = 1;
    if (s.partial) {
      places = std::clamp<int64_t>(ceil_div(kWave, columns * s.a.tokens), 1, s.splits);
    }
    launch_early_grid("paged_attention_split", context, kernel,
                      {.blocks = attention_dims(s.a.tokens, columns, places),
                       .threads = attention_dims(32 * s.warps),
                       .shared = static_cast<size_t>(bytes)},
                      s);
  }

  Attrs attrs_;
  int64_t bytes_;
  bool prepared_ = false;  // one descriptor always takes the same kernel
};

// Blocks enough without splitting: no second pass.
std::vector<std::string> tactics(const KernelDesc& desc) {
  constexpr int64_t kMostPartial = int64_t{256} << 20;
  const Shape& cache = desc.inputs[1].shape;
  const bool one = split_count(desc.inputs[7].shape[1], cache[2]) <= 1;
  if (one || partial_bytes(desc) > kMostPartial) return {"serial"};
  if (desc.inputs[0].shape[0] * cache[1] >= 512) return {"serial", "split"};
  return {"split", "serial"};
}

}  // namespace kernel_paged_attention_split

// Any type and group, heads up to 256 in multiples of 8, float32 arithmetic.
const KernelDef& paged_attention_split_kernel() {
  using namespace kernel_paged_attention_split;
  static const KernelDef kernel = {
      .name = "paged_attention_split",
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .invariant = true,
      .priority = 20,
      .supports = [](const KernelDesc& desc) { return attention_supports(desc, true); },
      .tactics = tactics,
      .prepare = [](const KernelDesc& desc,
                    std::string_view tactic) -> std::unique_ptr<KernelInstance> {
        const bool split = tactic.empty() ? tactics(desc)[0] == "split" : tactic == "split";
        return std::make_unique<SplitAttention>(desc, split);
      }};
  return kernel;
}

}  // namespace ingot::cuda
