// Copies by the bulk engine from device to shared memory, and the barriers in shared memory that
// count their bytes (compute capability 9.0 on; elsewhere these do nothing and no kernel that needs
// them may run). PTX ISA: cp.async.bulk, mbarrier.
#pragma once

#include <cstdint>

namespace ingot::cuda {

__device__ inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

#if __CUDA_ARCH__ >= 900

// One thread, before the block's first barrier. A phase ends after `arrivals` and all bytes that
// were announced.
__device__ inline void barrier_init(uint64_t* barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals));
}
// By the thread that made them, before others use them: other engines see the barriers.
__device__ inline void barrier_init_done() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ inline void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
}
// Arrives and announces bytes that copies will bring in this phase.
__device__ inline void barrier_expect(uint64_t* barrier, unsigned bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}
// Until the phase of this parity has ended: phase 0 has parity 0, the next 1, and so on; of a fresh
// barrier, parity 1 counts as ended.
__device__ inline void barrier_wait(uint64_t* barrier, unsigned parity) {
  asm volatile(
      "{\n\t.reg .pred done;\n\t"
      "again:\n\t"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
      "@!done bra again;\n\t}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

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

__device__ inline void barrier_init(uint64_t*, unsigned) {}
__device__ inline void barrier_init_done() {}
__device__ inline void barrier_arrive(uint64_t*) {}
__device__ inline void barrier_expect(uint64_t*, unsigned) {}
__device__ inline void barrier_wait(uint64_t*, unsigned) {}
__device__ inline uint64_t evict_first_policy() { return 0; }
__device__ inline void bulk_copy(void*, const void*, unsigned, uint64_t*, uint64_t) {}

#endif

}  // namespace ingot::cuda
