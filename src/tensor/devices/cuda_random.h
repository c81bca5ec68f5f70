// Random tensors on NVIDIA GPUs (tensor/random_fill.h).
#pragma once

#include <cuda_runtime_api.h>

#include "tensor/random_fill.h"

namespace ingot {

// Elements 0 to count of `dst`, queued on `stream`; the caller looks for launch errors. The type is
// one that is_random_type() knows.
cudaError_t launch_random_fill(std::byte* dst, DType type, int64_t count, const RandomFill& fill,
                               cudaStream_t stream);

}  // namespace ingot
