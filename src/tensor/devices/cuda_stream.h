// What CUDA kernels know of the CUDA device.
#pragma once

#include <cuda_runtime_api.h>

#include "tensor/device.h"

namespace ingot {

// The CUDA stream behind a stream of the CUDA device.
cudaStream_t cuda_stream(Stream& stream);

}  // namespace ingot
