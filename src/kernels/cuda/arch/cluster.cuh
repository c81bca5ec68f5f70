// Thread block clusters (compute capability 9.0 on): barrier and the shared memory of other blocks.
// Before that a cluster is one block.
#pragma once

namespace ingot::cuda {

// All threads of all blocks of the cluster; orders their shared memory accesses.
__device__ inline void cluster_sync() {
#if __CUDA_ARCH__ >= 900
  __syncwarp();  // the aligned form wants whole warps
  asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
#else
  __syncthreads();
#endif
}

// The last barrier before the blocks exit: nobody leaves while others read its shared memory. What
// was read there must have been used; writes are not waited for.
__device__ inline void cluster_leave() {
#if __CUDA_ARCH__ >= 900
  __syncwarp();
  asm volatile("barrier.cluster.arrive.relaxed.aligned;\n\tbarrier.cluster.wait.aligned;" ::
                   : "memory");
#endif
}

// Block `rank`'s copy of a variable in shared memory, as a generic address. Valid until that block
// exits: a cluster_sync() or cluster_leave() must lie between the last access and any exit.
template <class T>
__device__ inline T* cluster_peer(T* own, int rank) {
#if __CUDA_ARCH__ >= 900
  T* out;
  asm("mapa.u64 %0, %1, %2;" : "=l"(out) : "l"(own), "r"(rank));
  return out;
#else
  return own;
#endif
}

}  // namespace ingot::cuda
