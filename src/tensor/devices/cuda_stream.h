// The CUDA stream behind a Stream of the cuda device, for kernels and libraries that take one.
#pragma once

#include <cuda_runtime_api.h>

#include "tensor/device.h"

namespace ingot {

// `stream` must come from a cuda device.
cudaStream_t cuda_stream(Stream& stream);

}  // namespace ingot
