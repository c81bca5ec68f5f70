// Programmatic dependent launch (compute capability 9.0 on): a kernel that launch_early() started
// may begin while those before it in the stream still run, so that its start-up and its first
// reads of weights cost nothing.
//
// The rules: every thread of such a kernel calls wait_for_earlier() before it reads or writes
// anything but weights, and no kernel returns without having called it, so that the end of a kernel
// means the end of all before it. let_next_start() may be called at any time; until then, and in
// kernels that never call it, the next kernel starts when this one ends.
#pragma once

namespace ingot::cuda {

// Returns when all kernels before this one have ended and their writes are seen. Nothing to wait
// for where the kernel was launched the plain way.
__device__ inline void wait_for_earlier() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The next kernel may start once every block has called this or ended.
__device__ inline void let_next_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

}  // namespace ingot::cuda
