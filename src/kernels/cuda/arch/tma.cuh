// What kernels of warpgroups on Hopper need beside their arithmetic and their barriers: copies by
// the tensor memory accelerator, registers handed from one warpgroup to another. PTX ISA 8.0,
// sections "cp.async.bulk.tensor", "setmaxnreg".
#pragma once

#include <cuda.h>  // CUtensorMap; nothing of the driver is linked

#include "kernels/cuda/arch/shared_barrier.cuh"

namespace ingot::cuda {

// The architecture-specific feature set of compute capability 9.0: wgmma and setmaxnreg exist
// nowhere else. Kernels that need them have an empty body elsewhere and refuse in supports().
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr bool kIsSm90a = true;
#else
constexpr bool kIsSm90a = false;
#endif

// Copies the box of `map` whose first element is (column, row) to shared memory; its bytes count
// for the barrier. What lies outside of the tensor arrives as zeros. One thread calls it.
__device__ inline void copy_box(void* to, const CUtensorMap& map, int column, int row,
                                uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

// Orders this thread's ordinary accesses to shared memory before later ones of the accelerator and
// of wgmma, once the threads have met at a barrier.
__device__ inline void fence_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// All warps of a warpgroup call one of them: registers a thread, a multiple of 8.
template <int kCount>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}

}  // namespace ingot::cuda
