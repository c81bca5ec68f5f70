// What the CUDA code of this program was compiled for.
#pragma once

#include <cuda_runtime_api.h>

#include "tensor/devices/cuda_architectures.h"

namespace ingot {

// INGOT_CUDA_ARCHITECTURES as the build was given it, with commas: "80, 90a".
std::string_view cuda_architectures();

// For Device::capability(): 10 x the capability that the code was written for which runs there. It
// is less than the GPU's where the driver makes code of an older one's, which lacks what came later
// (early starts, clusters, bulk copies).
inline int cuda_code_version(int capability) {
  return code_version(cuda_architectures(), capability);
}

// Loads code for the calling thread's current GPU; an error where there is none.
cudaError_t find_cuda_code();

}  // namespace ingot
