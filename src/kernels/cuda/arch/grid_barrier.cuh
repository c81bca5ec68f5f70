// A barrier for all blocks of a grid, which must be on the device together: no more blocks than
// multiprocessors, launched with EarlyGrid::cooperative.
#pragma once

#include <cstdint>

#include "kernels/cuda/arch/shared_barrier.cuh"

namespace ingot::cuda {

#if __CUDA_ARCH__ >= 700

__device__ inline uint64_t add_released(uint64_t* p, uint64_t more) {
  uint64_t before;
  asm volatile("atom.add.release.gpu.global.u64 %0, [%1], %2;"
               : "=l"(before)
               : "l"(p), "l"(more)
               : "memory");
  return before;
}
__device__ inline uint64_t load_acquired(const uint64_t* p) {
  uint64_t value;
  asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(p) : "memory");
  return value;
}

#endif

// `threads` of each block, whole warps, thread 0 among them, call it through named barrier `id`;
// what they wrote before is then seen by those of all blocks. `arrivals` is 0 before the first of
// all launches and counts on over them, so it is never cleared; it may be touched only once earlier
// kernels have ended.
__device__ inline void grid_sync(uint64_t* arrivals, int id, int threads) {
#if __CUDA_ARCH__ >= 900
  named_sync(id, threads);
  if (threadIdx.x == 0) {
    const uint64_t round = add_released(arrivals, 1) / gridDim.x;
    while (load_acquired(arrivals) < (round + 1) * gridDim.x) {
    }
  }
  named_sync(id, threads);
#else
  (void)arrivals, (void)id, (void)threads;
#endif
}

}  // namespace ingot::cuda
