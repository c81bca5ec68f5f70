// Errors of CUDA calls, with the kernel's name.
#pragma once

// Before fmt is seen: it turns its constexpr off for nvcc, but only in part, and nvcc makes invalid
// device code of its consteval format strings.
#ifndef FMT_USE_CONSTEXPR
#define FMT_USE_CONSTEXPR 1
#define FMT_CONSTEVAL
#endif

#include <cuda_runtime_api.h>

#include <string_view>

#include "base/error.h"
#include "tensor/devices/cuda_faults.h"

namespace ingot::cuda {

// A fault found here is not this kernel's: what it is about to do has not run yet.
inline void cuda_check(cudaError_t status, std::string_view kernel) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // told here, not again by the next kernel's check
  const bool earlier = is_kernel_fault(status);
  const bool memory = status == cudaErrorMemoryAllocation;
  fail(memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal, "kernels/cuda", "{}{}: {} ({}){}",
       earlier ? "a kernel before " : "", kernel, cudaGetErrorString(status),
       cudaGetErrorName(status), earlier ? kKernelFaultHint : "");
}

// After a launch: a bad configuration, or the fault of an earlier kernel.
inline void check_launch(std::string_view kernel) { cuda_check(cudaGetLastError(), kernel); }

}  // namespace ingot::cuda
