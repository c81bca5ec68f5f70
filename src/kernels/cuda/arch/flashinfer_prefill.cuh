// FlashInfer's tensor core attention as our kernels call it: parameters whose plan arrays lie in
// shared memory, written by the block itself, so nothing is planned or converted on the host.
#pragma once

#include <flashinfer/attention/default_prefill_params.cuh>
#include <flashinfer/attention/prefill.cuh>

#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {

// Filled in by the block that works on it: one request, one tile.
struct FlashInferPlan {
  int zero;
  int tile;        // of query rows
  int chunk;       // keys; more than there are
  int queries[2];  // 0 and the request's tokens
  int pages[2];    // 0 and the pages of its table
};

template <class T, class O>
struct FlashInferParams : flashinfer::BatchPrefillPagedParams<T, T, O, int32_t> {
  uint32_t query_tokens, keys, window_left;  // of the request
  float softcap;

  // What is the same for all blocks. FlashInfer's constructors and divisors are made on the host.
  static FlashInferParams make(const AttentionArgs& a) {
    FlashInferParams p;
    p.paged_kv.page_size = flashinfer::uint_fastdiv(static_cast<uint32_t>(a.keys.page_tokens));
    p.paged_kv.num_heads = a.keys.heads;
    p.paged_kv.head_dim = a.keys.dim;
    p.paged_kv.batch_size = 1;
    p.paged_kv.stride_n = a.keys.dim;
    p.paged_kv.stride_h = a.keys.page_tokens * a.keys.dim;
    p.paged_kv.stride_page = a.keys.heads * p.paged_kv.stride_h;
    p.paged_kv.v_stride_n = p.paged_kv.stride_n;
    p.paged_kv.v_stride_h = p.paged_kv.stride_h;
    p.paged_kv.v_stride_page = p.paged_kv.stride_page;
    p.paged_kv.k_data = reinterpret_cast<T*>(a.keys.data);
    p.paged_kv.v_data = reinterpret_cast<T*>(a.values.data);
    p.group_size = flashinfer::uint_fastdiv(static_cast<uint32_t>(a.group));
    p.num_qo_heads = a.heads;
    p.q_stride_n = static_cast<int32_t>(a.q_stride);
    p.q_stride_h = a.keys.dim;
    p.sm_scale = a.scale;
    p.softcap = a.softcap;
    return p;
  }

  // Points at the plan that the block wrote before a barrier, and at a row of the block tables.
  __device__ void bind(FlashInferPlan* plan, const int* table) {
    this->request_indices = &plan->zero;
    this->kv_tile_indices = &plan->zero;
    this->qo_tile_indices = &plan->tile;
    this->kv_chunk_size_ptr = &plan->chunk;
    this->q_indptr = plan->queries;
    this->o_indptr = plan->queries;
    this->paged_kv.indptr = plan->pages;
    this->paged_kv.indices = const_cast<int*>(table);
  }
};

// The mask that FlashInfer applies to the tiles at the edges; kSoftcap compiles the cap in.
template <bool kSoftcap>
struct FlashInferVariant : flashinfer::AttentionVariantBase {
  uint32_t qo_len, kv_len, window_left;
  float sm_scale_log2, before_tanh;

  template <class P>
  __device__ FlashInferVariant(const P& params, uint32_t, uint8_t*)
      : qo_len(params.query_tokens),
        kv_len(params.keys),
        window_left(params.window_left),
        sm_scale_log2(flashinfer::math::log2e * params.sm_scale),
        before_tanh(0) {
    if (kSoftcap && params.softcap > 0) {
      sm_scale_log2 = flashinfer::math::log2e * params.softcap;
      before_tanh = params.sm_scale / params.softcap;
    }
  }
  template <class P, class V>
  __device__ V LogitsTransform(const P&, V logit, uint32_t, uint32_t, uint32_t, uint32_t,
                               uint32_t) const {
    if constexpr (kSoftcap) {
      if (before_tanh > 0) return tanhf(logit * before_tanh);
    }
    return logit;
  }
  template <class P>
  __device__ bool LogitsMask(const P&, uint32_t, uint32_t query, uint32_t key, uint32_t,
                             uint32_t) const {
    return key + qo_len + window_left >= kv_len + query;
  }
};

// Tile shapes as FlashInfer's dispatcher picks them for two blocks a Hopper processor; they fit the
// 99 KB of a block of smaller GPUs too.
template <int kTileRows, int kDim, class T, class O, flashinfer::MaskMode kMask, class Variant>
struct FlashInferTile {
  static constexpr uint32_t kPerKey16 = 4 * kDim * 16 * (kTileRows == 16 ? 4 : 1);  // bytes
  static constexpr uint32_t kRoom = (114 << 10) - kTileRows * kDim * 2;
  static constexpr uint32_t kFits = kRoom / kPerKey16;
  static constexpr uint32_t kMost = kTileRows == 128 ? 4 : 8;
  static constexpr uint32_t kBound = kFits < kMost ? kFits : kMost;
  static constexpr uint32_t kKeys = kBound >= 8 ? 8 : kBound >= 4 ? 4 : kBound >= 2 ? 2 : 1;
  using Traits =
      flashinfer::KernelTraits<kMask, kTileRows, (kTileRows == 128 ? 2 : 1), kKeys, kDim / 16,
                               kDim / 16, (kTileRows == 16 ? 1 : 4), (kTileRows == 16 ? 4 : 1),
                               flashinfer::PosEncodingMode::kNone, T, T, O, float, int32_t, Variant,
                               true>;
  static_assert(!Traits::IsInvalid());
  using Shared = typename Traits::SharedStoragePaged;
  static dim3 threads() { return dim3(32, Traits::NUM_WARPS_Q, Traits::NUM_WARPS_KV); }
};

}  // namespace ingot::cuda
