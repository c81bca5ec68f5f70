// unit: flashinfer

// FlashInfer's decode attention on CUDA cores, called from a kernel of our own: a block takes one
// part of one token's keys. FlashInfer's plan arrays (request, tile and page lists made on the
// host) are objects here that compute the same from our block tables, so nothing is planned or
// converted.
#include <flashinfer/attention/decode.cuh>
#include <flashinfer/attention/variant_helper.cuh>

#include "kernels/cuda/arch/attention_parts.cuh"
#include "kernels/cuda/arch/manifest.h"

namespace ingot::cuda {
namespace kernel_paged_attention_flashinfer_decode {

// Where FlashInfer expects an array of plan numbers, or a pointer to one.
struct Number {
  uint32_t value;
  __device__ uint32_t operator[](uint32_t) const { return value; }
  __device__ uint32_t operator*() const { return value; }
};

// Keys count from the part's first one.
struct PageSize {
  uint32_t tokens, first_key;
  __device__ operator uint32_t() const { return tokens; }
  __device__ void divmod(uint32_t key, uint32_t& page, uint32_t& slot) const {
    page = (first_key + key) / tokens;
    slot = (first_key + key) % tokens;
  }
};

template <class T>
struct PartPages {
  T *k_data, *v_data;
  KvPages cache;
  const int* table;
  PageSize page_size;
  uint32_t length;
  uint32_t batch_size = 1;
  Number indptr = {0};
  const int* rope_pos_offset = nullptr;

  __device__ uint32_t get_length(uint32_t) const { return length; }
  // Also asked for keys past the part's end, which are not read then.
  __device__ size_t protective_get_kv_offset(uint32_t block, uint32_t head, uint32_t slot, uint32_t,
                                             uint32_t) const {
    const int page = block < static_cast<uint32_t>(cache.blocks) ? table[block] : 0;
    if (page < 0 || page >= cache.pages) return 0;
    return ((static_cast<size_t>(page) * cache.heads + head) * cache.page_tokens + slot) *
           cache.dim;
  }
};

template <class T>
struct Params {
  using DTypeQ = T;
  using DTypeKV = T;
  using DTypeO = float;
  using IdType = int32_t;
  const T* q;
  PartPages<T> paged_kv;
  float* o;
  float* lse;
  uint32_t padded_batch_size = 1;
  uint32_t num_qo_heads;
  uint32_t q_stride_n = 0, q_stride_h;
  float scale, softcap;
  Number request_indices = {0}, kv_tile_indices = {0}, kv_chunk_size_ptr = {1};
  const bool* block_valid_mask = nullptr;
  bool partition_kv = false;
};

// The part holds exactly the keys that are seen, so there is nothing to mask.
struct Variant : flashinfer::AttentionVariantBase {
  float sm_scale_log2, before_tanh;
  template <class P>
  __device__ Variant(const P& params, uint32_t, uint8_t*)
      : sm_scale_log2(flashinfer::math::log2e *
                      (params.softcap > 0 ? params.softcap : params.scale)),
        before_tanh(params.softcap > 0 ? params.scale / params.softcap : 0.0f) {}
  template <class P, class V>
  __device__ V LogitsTransform(const P&, V logit, uint32_t, uint32_t, uint32_t, uint32_t,
                               uint32_t) const {
    return before_tanh > 0 ? tanhf(logit * before_tanh) : logit;
  }
};

// The launch that FlashInfer's dispatcher would choose.
template <int kDim, int kGroup>
struct Launch {
  static constexpr uint32_t kStages = 2;
  static constexpr uint32_t kVector = std::max(8, kDim / 32);
  static constexpr uint32_t kX = kDim / kVector;
  static constexpr uint32_t kThreads = std::max<uint32_t>(128, kX* kGroup);
  static constexpr uint32_t kZ = kThreads / (kX * kGroup);
  static constexpr uint32_t kTile = kGroup == 1 ? 4 : 1;
  static constexpr uint32_t kShared =
      std::max<uint32_t>(2 * kStages * kTile * kGroup * kZ * kDim * 2, kZ* kGroup* kDim * 4) +
      std::max<uint32_t>(kTile * kThreads * 8, 2 * kGroup * kZ * 4);
};

// grid: tokens, kv heads, parts.
template <class T, int kDim, int kGroup>
__global__ void attend(const __grid_constant__ PartArgs args) {
  using L = Launch<kDim, kGroup>;
  extern __shared__ uint4 shared[];
  let_next_start();
  wait_for_earlier();
  const AttentionArgs& a = args.a;
  const int token = blockIdx.x;
  const int kv_head = blockIdx.y;
  const KeyRange range = key_range(a, token);
  const PartRange part = part_range(args, range, blockIdx.z);
  if (!part.empty()) {
    const int64_t at = part_offset(args, token, blockIdx.z);
    Params<T> p;
    p.q = static_cast<const T*>(a.q.data) + token * a.q_stride;
    p.q_stride_h = kDim;
    p.num_qo_heads = a.heads;
    p.o = args.sums + at * kDim;
    p.lse = args.logs + at;
    p.scale = a.scale;
    p.softcap = a.softcap;
    p.paged_kv.k_data = reinterpret_cast<T*>(a.keys.data);
    p.paged_kv.v_data = reinterpret_cast<T*>(a.values.data);
    p.paged_kv.cache = a.keys;
    p.paged_kv.table = a.keys.tables + static_cast<int64_t>(part.row) * a.keys.blocks;
    p.paged_kv.page_size = {static_cast<uint32_t>(a.keys.page_tokens),
                            static_cast<uint32_t>(part.begin)};
    p.paged_kv.length = part.end - part.begin;
    flashinfer::BatchDecodeWithPagedKVCacheDevice<flashinfer::PosEncodingMode::kNone, L::kStages,
                                                  L::kTile, L::kVector, L::kX, kGroup, L::kZ,
                                                  Variant>(p, reinterpret_cast<uint8_t*>(shared), 0,
                                                           kv_head);
  }
  if (args.parts == 1) {
    __syncthreads();
    finish_token(args, token, token, kv_head * kGroup, kGroup, part.empty());
  }
}

std::string supports(const KernelDesc& desc) {
  const PartShape shape = part_shape(desc);
  const int64_t group = shape.heads / shape.kv_heads;
  const ElementType& type = desc.inputs[0].type;
  if (!with_compiled<Family::kFlashInferDecode>(type, shape.dim, group, [](auto, auto, auto) {})) {
    return not_compiled(type, shape.dim, group);
  }
  return part_supports(desc);
}

class Decode final : public KernelInstance {
 public:
  Decode(const KernelDesc& desc, int parts)
      : attrs_(desc.attrs), parts_(parts), bytes_(part_bytes(part_shape(desc), parts)) {}
  size_t workspace_bytes() const override { return static_cast<size_t>(bytes_); }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    PartArgs p = {.a = attention_args(args, attrs_), .parts = parts_};
    if (p.a.tokens == 0) return;
    CHECK(is_vector_aligned(args.inputs[0]));
    place_parts(&p, context);
    with_compiled<Family::kFlashInferDecode>(
        p.a.q.type, p.a.keys.dim, p.a.group,
        [&](auto tag, auto dim, auto group) { run<decltype(tag), dim, group>(p, context); });
    if (parts_ > 1) launch_merge("paged_attention_flashinfer_decode", context, p);
  }

 private:
  template <class T, int kDim, int kGroup>
  void run(const PartArgs& p, ExecContext& context) {
    using L = Launch<kDim, kGroup>;
    const auto kernel = attend<T, kDim, kGroup>;
    if (!prepared_) {
      cuda_check(
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, L::kShared),
          "paged_attention_flashinfer_decode");
      prepared_ = true;
    }
    launch_early_grid("paged_attention_flashinfer_decode", context, kernel,
                      {.blocks = attention_dims(p.a.tokens, p.a.keys.heads, p.parts),
                       .threads = dim3(L::kX, kGroup, L::kZ),
                       .shared = L::kShared},
                      p);
  }

  Attrs attrs_;
  int parts_;
  int64_t bytes_;
  bool prepared_ = false;  // one descriptor always takes the same kernel
};

}  // namespace kernel_paged_attention_flashinfer_decode

// 16-bit types, heads of 64, 128 and 256, groups of 1 to 8, float32 arithmetic. Not invariant:
// tactics with different numbers of parts add in different orders.
const KernelDef& paged_attention_flashinfer_decode_kernel() {
  using namespace kernel_paged_attention_flashinfer_decode;
  static const KernelDef kernel = {
      .name = "paged_attention_flashinfer_decode",
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .priority = 15,
      .supports = supports,
      .tactics = part_tactics,
      .prepare = [](const KernelDesc& desc,
                    std::string_view tactic) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Decode>(desc, parts_of(desc, tactic));
      }};
  return kernel;
}

}  // namespace ingot::cuda
