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

namespace ingot::cuda {

inline void cuda_check(cudaError_t status, std::string_view kernel) {
  if (status == cudaSuccess) return;
  fail(ErrorCode::kInternal, "kernels/cuda", "{}: {} ({})", kernel, cudaGetErrorString(status),
       cudaGetErrorName(status));
}

// After a launch: a bad configuration, or the fault of an earlier kernel.
inline void check_launch(std::string_view kernel) { cuda_check(cudaGetLastError(), kernel); }

}  // namespace ingot::cuda
