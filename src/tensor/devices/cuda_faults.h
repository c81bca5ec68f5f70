// Faults of kernels, which CUDA tells of at some later call.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

namespace ingot {

// Whether a kernel that was launched earlier has failed; every later call of the process says so,
// whatever it asked for.
inline bool is_kernel_fault(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
      return true;
    default:
      return false;
  }
}

// Behind the message of one.
constexpr std::string_view kKernelFaultHint =
    "; where no kernel is named, INGOT_WAIT_KERNELS=1 names it";

}  // namespace ingot
