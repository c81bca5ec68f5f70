// Asynchronous copies from device memory to shared memory (sm_80 and later).
#pragma once

#include <cstdint>

namespace ingot::cuda {

// Copies 16 bytes to shared memory, or zeros when `from` is not valid; cp_async_wait<n> waits for
// all but the last n committed groups.
__device__ inline void cp_async16(void* shared, const void* from, bool valid) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
}
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLeft>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

}  // namespace ingot::cuda
