// Addresses inside a paged KV cache [page][kv head][token in page][dim] on the device.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {

struct KvPages {
  std::byte* data;
  DType type;
  int64_t pages;
  int heads, page_tokens, dim;
  const int* tables;  // [batch, blocks]
  int blocks, batch;
  // Element index of one token's row; -1 where the tables name no page of this cache, which stands
  // for "write nothing, read zeros" (padding tokens have a negative row or position).
  __device__ int64_t slot(int row, int position, int head) const {
    const int block = position < 0 ? -1 : position / page_tokens;
    if (block < 0 || block >= blocks || row < 0 || row >= batch) return -1;
    const int page = tables[static_cast<int64_t>(row) * blocks + block];
    if (page < 0 || page >= pages) return -1;
    return ((static_cast<int64_t>(page) * heads + head) * page_tokens + position % page_tokens) *
           dim;
  }
};

inline KvPages kv_pages(const TensorView& cache, const TensorView& tables) {
  KvPages out = {};
  out.data = cache.data;
  out.type = cache.type.dtype;
  out.pages = cache.shape[0];
  out.heads = static_cast<int>(cache.shape[1]);
  out.page_tokens = static_cast<int>(cache.shape[2]);
  out.dim = static_cast<int>(cache.shape[3]);
  out.tables = tables.as<int>();
  out.batch = static_cast<int>(tables.shape[0]);
  out.blocks = static_cast<int>(tables.shape[1]);
  return out;
}

// One warp writes a row, read(0) to read(dim - 1), into a cache, converting.
template <class Read>
__device__ void copy_to_cache(const KvPages& cache, int64_t slot, Read&& read) {
  for (int i = threadIdx.x % 32; i < cache.dim; i += 32) {
    store_any(cache.data, cache.type, slot + i, read(i));
  }
}

inline std::string kv_supports(const KernelDesc& desc, size_t k_cache, size_t v_cache,
                               size_t tables) {
  for (size_t i : {k_cache, v_cache}) {
    if (!is_activation(desc.inputs[i].type)) return "cache is " + desc.inputs[i].type.name();
  }
  if (desc.inputs[tables].type != DType::kInt32) {
    return "block tables are " + desc.inputs[tables].type.name();
  }
  return "";
}

}  // namespace ingot::cuda
