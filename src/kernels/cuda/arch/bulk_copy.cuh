// Copies by the bulk engine from device to shared memory (compute capability 9.0 on; elsewhere
// these do nothing and no kernel that needs them may run). PTX ISA 8.0, section "cp.async.bulk".
#pragma once

#include "kernels/cuda/arch/shared_barrier.cuh"

namespace ingot::cuda {

#if __CUDA_ARCH__ >= 900

// A cache policy for data that is read once.
__device__ inline uint64_t evict_first_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// `bytes`, a multiple of 16, between 16-byte boundaries; counted by the barrier.
__device__ inline void bulk_copy(void* shared, const void* global, unsigned bytes,
                                 uint64_t* barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1], %2, [%3], %4;" ::"r"(shared_address(shared)),
      "l"(global), "r"(bytes), "r"(shared_address(barrier)), "l"(policy)
      : "memory");
}

#else

__device__ inline uint64_t evict_first_policy() { return 0; }
__device__ inline void bulk_copy(void*, const void*, unsigned, uint64_t*, uint64_t) {}

#endif

}  // namespace ingot::cuda
