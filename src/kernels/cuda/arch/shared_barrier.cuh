// Barriers in shared memory that count arrivals and bytes, rings of buffers and named barriers, for
// kernels of specialized warps (compute capability 9.0 on; elsewhere they do nothing and no kernel
// that needs them may run). PTX ISA 8.0, sections "mbarrier" and "bar".
#pragma once

#include <cstdint>

namespace ingot::cuda {

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

#if __CUDA_ARCH__ >= 900

// A phase of a barrier ends when `arrivals` threads have arrived and all expected bytes are there.
__device__ inline void barrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
}
// After the inits and before the block's barrier: copies by the accelerator see them.
__device__ inline void barrier_init_fence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ inline void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
}
// One arrival, and `bytes` more for this phase to wait for.
__device__ inline void barrier_expect(uint64_t* barrier, int bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}
// Waits for the end of the phase of that parity; the first phase has parity 0. Parity 1 of a fresh
// barrier has passed already.
__device__ inline void barrier_wait(uint64_t* barrier, int parity) {
  asm volatile(
      "{\n\t"
      ".reg .pred done;\n"
      "again:\n\t"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
      "@!done bra again;\n\t"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

#else

__device__ inline void barrier_init(uint64_t*, int) {}
__device__ inline void barrier_init_fence() {}
__device__ inline void barrier_arrive(uint64_t*) {}
__device__ inline void barrier_expect(uint64_t*, int) {}
__device__ inline void barrier_wait(uint64_t*, int) {}

#endif

// Barriers 1 to 15 for `threads` threads, whole warps; 0 is __syncthreads().
__device__ inline void named_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ inline void named_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// A place in a ring of buffers that are filled and read in turn.
template <int kStages>
struct Ring {
  int index = 0, parity = 0;
  __device__ void advance() {
    if (++index == kStages) index = 0, parity ^= 1;
  }
};

}  // namespace ingot::cuda
