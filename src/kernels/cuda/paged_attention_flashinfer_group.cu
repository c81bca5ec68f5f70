// unit: flashinfer

// FlashInfer's tensor core attention with tiles of 16 query rows, for decoding: a tile holds the
// query heads of one token that share a KV head, a block takes one part of the token's keys.
#include "kernels/cuda/arch/attention_parts.cuh"
#include "kernels/cuda/arch/bounded_attention.cuh"
#include "kernels/cuda/arch/flashinfer_prefill.cuh"
#include "kernels/cuda/arch/manifest.h"

namespace ingot::cuda {
namespace kernel_paged_attention_flashinfer_group {

constexpr int kRows = 16;

template <class T, int kDim>
using Tile =
    FlashInferTile<kRows, kDim, T, float, flashinfer::MaskMode::kNone, FlashInferVariant<true>>;

// grid: places of tokens, kv heads, parts.
template <class T, int kDim>
__global__ void __launch_bounds__(128)
    attend(const __grid_constant__ PartArgs args,
           const __grid_constant__ FlashInferParams<T, float> fixed) {
  using Shared = typename Tile<T, kDim>::Shared;
  extern __shared__ uint4 shared[];
  __shared__ FlashInferPlan plan;
  let_next_start();
  wait_for_earlier();
  const AttentionArgs& a = args.a;
  const int place = blockIdx.x;
  const int token = token_place(a, place).token;
  if (token < 0) return;
  const int kv_head = blockIdx.y;
  const KeyRange range = key_range(a, token);
  const PartRange part = part_range(args, range, blockIdx.z);
  if (!part.empty()) {
    const int block = part.begin / a.keys.page_tokens;
    const int skipped = block * a.keys.page_tokens;
    if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
      plan = {0, 0, 1 << 30, {0, 1}, {0, a.keys.blocks - block}};
    }
    __syncthreads();
    const int64_t at = part_offset(args, place, blockIdx.z);
    FlashInferParams<T, float> p = fixed;
    p.bind(&plan, a.keys.tables + static_cast<int64_t>(part.row) * a.keys.blocks + block);
    p.q = static_cast<T*>(const_cast<void*>(a.q.data)) + token * a.q_stride;
    p.o = args.sums + at * kDim;
    p.lse = args.logs + at;
    // Keys count from the first page; those before the part's first key are outside the window.
    p.query_tokens = 1;
    p.keys = part.end - skipped;
    p.window_left = part.end - part.begin - 1;
    flashinfer::BatchPrefillWithPagedKVCacheDevice<typename Tile<T, kDim>::Traits, true>(
        p, *reinterpret_cast<Shared*>(shared), threadIdx, 0, kv_head, a.keys.heads);
  }
  if (args.parts == 1) {
    __syncthreads();
    // The token is looked up again: kept until here, it would cost 19 registers.
    finish_token(args, place, token_place(a, place).token, kv_head * a.group, a.group,
                 part.empty());
  }
}

std::string supports(const KernelDesc& desc) {
  const PartShape shape = part_shape(desc);
  const ElementType& type = desc.inputs[0].type;
  if (!with_compiled<Family::kFlashInferGroup>(type, shape.dim, 0, [](auto, auto, auto) {})) {
    return not_compiled(type, shape.dim, 0);
  }
  const int64_t group = shape.heads / shape.kv_heads;
  if (group > kRows) return "groups of " + std::to_string(group);
  return part_supports(desc);
}

class GroupDecode final : public KernelInstance {
 public:
  GroupDecode(const KernelDesc& desc, int parts, const FreshBounds& fresh = {})
      : attrs_(desc.attrs),
        fresh_(fresh),
        parts_(parts),
        bytes_(part_bytes(part_shape(desc), parts)) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    PartArgs p = {.a = attention_args(args, attrs_, fresh_), .parts = parts_};
    if (p.a.tokens == 0) return;
    CHECK(is_vector_aligned(args.inputs[0]));
    place_parts(&p, context);
    with_compiled<Family::kFlashInferGroup>(
        p.a.q.type, p.a.keys.dim, 0,
        [&](auto tag, auto dim, auto) { run<decltype(tag), dim>(p, context); });
    if (parts_ > 1) launch_merge("paged_attention_flashinfer_group", context, p);
  }

 private:
  template <class T, int kDim>
  void run(const PartArgs& p, ExecContext& context) {
    constexpr int kShared = sizeof(typename Tile<T, kDim>::Shared);
    const auto kernel = attend<T, kDim>;
    if (!prepared_) {
      cuda_check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
                 "paged_attention_flashinfer_group");
      prepared_ = true;
    }
    launch_early_grid("paged_attention_flashinfer_group", context, kernel,
                      {.blocks = attention_dims(token_places(p.a), p.a.keys.heads, p.parts),
                       .threads = Tile<T, kDim>::threads(),
                       .shared = kShared},
                      p, FlashInferParams<T, float>::make(p.a));
  }

  Attrs attrs_;
  FreshBounds fresh_;
  int parts_;
  int64_t bytes_;
  bool prepared_ = false;  // one descriptor always takes the same kernel
};

}  // namespace kernel_paged_attention_flashinfer_group

std::unique_ptr<KernelInstance> bounded_group(const KernelDesc& desc, const FreshBounds& fresh) {
  using namespace kernel_paged_attention_flashinfer_group;
  return std::make_unique<GroupDecode>(desc, 1, fresh);
}

// 16-bit types, heads of 64, 128 and 256, groups up to 16. Weights are rounded to 16 bits before
// they meet the values. Not invariant: tactics with different numbers of parts add in different
// orders.
const KernelDef& paged_attention_flashinfer_group_kernel() {
  using namespace kernel_paged_attention_flashinfer_group;
  static const KernelDef kernel = {
      .name = "paged_attention_flashinfer_group",
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .priority = 22,
      .supports = supports,
      .tactics = part_tactics,
      .prepare = [](const KernelDesc& desc,
                    std::string_view tactic) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<GroupDecode>(desc, parts_of(desc, tactic));
      }};
  return kernel;
}

}  // namespace ingot::cuda
