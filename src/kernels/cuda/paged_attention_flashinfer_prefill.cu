// unit: flashinfer

// FlashInfer's tensor core attention of many tokens, called from a kernel of our own: a block takes
// 64 or 128 query rows of one KV head, tokens of one sequence times the query heads of the group.
#include "kernels/cuda/arch/flashinfer_prefill.cuh"
#include "kernels/cuda/arch/manifest.h"
#include "kernels/cuda/arch/query_tiles.cuh"

namespace ingot::cuda {
namespace kernel_paged_attention_flashinfer_prefill {

constexpr int kThreads = 128;
constexpr int kMostOf128 = 128;  // head size above which registers do not hold 128 rows

template <class T, int kDim, int kRows>
using Tile =
    FlashInferTile<kRows, kDim, T, T, flashinfer::MaskMode::kCausal, FlashInferVariant<false>>;

// FlashInfer takes a sequence's tokens to stand at consecutive positions, the last one at its end,
// as a batch's rows do. Where they do not, there is no result.
template <int kRows>
__device__ bool is_consecutive(const AttentionArgs& a, const RowTile& tile, int keys, int tokens,
                               int thread) {
  bool good = true;
  const int begin = tile.first / a.group;
  const int end = min(tokens, (tile.first + kRows + a.group - 1) / a.group);
  for (int i = begin + thread; i < end; i += kThreads) {
    good &= a.positions[tile.token + i] == keys - tokens + i;
  }
  return !__syncthreads_or(!good);
}

// grid: tiles of query rows, kv heads.
template <class T, int kDim, int kRows>
__global__ void __launch_bounds__(kThreads)
    attend(const __grid_constant__ AttentionArgs a,
           const __grid_constant__ FlashInferParams<T, T> fixed) {
  using Traits = typename Tile<T, kDim, kRows>::Traits;
  extern __shared__ uint4 shared[];
  __shared__ FlashInferPlan plan;
  let_next_start();
  wait_for_earlier();
  const int thread = static_cast<int>(threadIdx.x + 32 * threadIdx.y);
  const RowTile tile = find_row_tile(a, kRows, static_cast<int>(threadIdx.x));
  if (tile.sequence < 0) return;
  const int tokens = tile.rows / a.group;
  const int kv_head = blockIdx.y;
  const int keys = max(a.positions[tile.token + tokens - 1] + 1, 0);
  if (thread == 0) {
    plan = {0, tile.first / kRows, 1 << 30, {0, tokens}, {0, a.keys.blocks}};
  }
  const bool good = is_consecutive<kRows>(a, tile, keys, tokens, thread);  // a barrier
  T* const out = fixed.o + static_cast<int64_t>(tile.token) * a.heads * kDim;
  if (!good || keys > a.keys.blocks * a.keys.page_tokens) {
    for (int i = thread; i < kRows * kDim; i += kThreads) {
      const int row = tile.first + i / kDim;
      if (row >= tile.rows) break;
      const int head = kv_head * a.group + row % a.group;
      out[(static_cast<int64_t>(row / a.group) * a.heads + head) * kDim + i % kDim] =
          from_float<T>(NAN);
    }
    return;
  }
  FlashInferParams<T, T> p = fixed;
  p.bind(&plan, a.keys.tables + static_cast<int64_t>(tile.sequence) * a.keys.blocks);
  p.q = static_cast<T*>(const_cast<void*>(a.q.data)) + tile.token * a.q_stride;
  p.o = out;
  p.query_tokens = tokens;
  p.keys = keys;
  p.window_left = a.window > 0 ? a.window - 1 : keys;
  flashinfer::BatchPrefillWithPagedKVCacheDevice<Traits, true>(
      p, *reinterpret_cast<typename Traits::SharedStoragePaged*>(shared), threadIdx, 0, kv_head,
      a.keys.heads);
}

// Rows packed by the kernel above into an output with gaps between its rows. A thread: 8 elements.
__global__ void spread(const uint4* from, AttentionArgs a) {
  let_next_start();
  wait_for_earlier();
  const int units = a.heads * a.keys.dim / 8;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= static_cast<int64_t>(units) * a.tokens) return;
  const uint4 word = from[i];
  const auto* halves = reinterpret_cast<const uint16_t*>(&word);
  auto* to = static_cast<uint16_t*>(a.out) + i / units * a.out_stride + i % units * 8;
#pragma unroll
  for (int c = 0; c < 8; ++c) to[c] = halves[c];
}

std::string supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[0].type;
  if (type != DType::kBFloat16 && type != DType::kFloat16) return "input is " + type.name();
  if (!(desc.inputs[1].type == type)) return "cache is " + desc.inputs[1].type.name();
  if (!(desc.outputs[0].type == type)) return "output is " + desc.outputs[0].type.name();
  const int64_t dim = desc.inputs[1].shape[3];
  if (!with_compiled<Family::kFlashInferPrefill>(type, dim, 0, [](auto, auto, auto) {})) {
    return not_compiled(type, dim, 0);
  }
  if (!attr_or<bool>(desc.attrs, "causal", true)) return "not causal";
  if (attr_or<double>(desc.attrs, "softcap", 0.0) > 0) return "capped scores";
  if (desc.inputs[0].shape[0] < 32) return "fewer than 32 tokens";
  return attention_supports(desc);
}

std::vector<std::string> tactics(const KernelDesc& desc) {
  const int64_t dim = desc.inputs[1].shape[3];
  if (dim > kMostOf128) return {"rows64"};
  const int64_t rows =
      desc.inputs[0].shape[0] * desc.inputs[0].shape[1] /
      (dim * desc.inputs[1].shape[1] * std::max<int64_t>(1, desc.inputs[7].shape[0]));
  if (rows > 128) return {"rows128", "rows64"};
  return {"rows64", "rows128"};
}

class Prefill final : public KernelInstance {
 public:
  Prefill(const KernelDesc& desc, std::string_view tactic)
      : attrs_(desc.attrs),
        rows_((tactic.empty() ? std::string_view(tactics(desc)[0]) : tactic) == "rows64" ? 64
                                                                                         : 128),
        bytes_(2 * element_count(desc.inputs[0].shape)) {}
  // Only used where the output has gaps between its rows.
  size_t workspace_bytes() const override { return static_cast<size_t>(bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const AttentionArgs a = attention_args(args, attrs_);
    if (a.tokens == 0) return;
    CHECK(is_vector_aligned(args.inputs[0]));
    const int64_t columns = static_cast<int64_t>(a.heads) * a.keys.dim;
    const bool packed = a.out_stride == columns && is_vector_aligned(args.outputs[0]);
    if (!packed) CHECK_LE(2 * a.tokens * columns, static_cast<int64_t>(context.workspace.size()));
    void* out = packed ? a.out : static_cast<void*>(context.workspace.data());
    with_compiled<Family::kFlashInferPrefill>(
        a.q.type, a.keys.dim, 0, [&](auto tag, auto dim, auto) {
          if constexpr (dim <= kMostOf128) {
            if (rows_ == 128) return run<decltype(tag), dim, 128>(a, out, context);
          }
          run<decltype(tag), dim, 64>(a, out, context);
        });
    if (packed) return;
    launch_early_grid("paged_attention_flashinfer_prefill", context, spread,
                      {.blocks = attention_dims(ceil_div(a.tokens * columns / 8, 256)),
                       .threads = attention_dims(256)},
                      static_cast<const uint4*>(out), a);
  }

 private:
  template <class T, int kDim, int kRows>
  void run(const AttentionArgs& a, void* out, ExecContext& context) {
    using Shape = Tile<T, kDim, kRows>;
    constexpr int kShared = sizeof(typename Shape::Shared);
    const auto kernel = attend<T, kDim, kRows>;
    if (!prepared_) {
      cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
                 "paged_attention_flashinfer_prefill");
      prepared_ = true;
    }
    auto params = FlashInferParams<T, T>::make(a);
    params.o = static_cast<T*>(out);
    const int64_t tiles = most_row_tiles(a.tokens, a.group, a.keys.batch, kRows);
    launch_early_grid("paged_attention_flashinfer_prefill", context, kernel,
                      {.blocks = attention_dims(tiles, a.keys.heads),
                       .threads = Shape::threads(),
                       .shared = kShared},
                      a, params);
  }

  Attrs attrs_;
  int rows_;
  int64_t bytes_;
  bool prepared_ = false;  // one descriptor always takes the same kernel
};

}  // namespace kernel_paged_attention_flashinfer_prefill

// 16-bit types, heads of 64, 128 and 256, causal, sliding windows. Weights are rounded to 16 bits
// before they meet the values. Not invariant: tiles of keys differ between tactics and, with a
// window, start where the tile's first row sees its first key.
const KernelDef& paged_attention_flashinfer_prefill_kernel() {
  using namespace kernel_paged_attention_flashinfer_prefill;
  static const KernelDef kernel = {
      .name = "paged_attention_flashinfer_prefill",
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .priority = 27,
      .supports = supports,
      .tactics = tactics,
      .prepare = [](const KernelDesc& desc, std::string_view tactic)
          -> std::unique_ptr<KernelInstance> { return std::make_unique<Prefill>(desc, tactic); }};
  return kernel;
}

}  // namespace ingot::cuda
