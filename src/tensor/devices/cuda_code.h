// What the CUDA code of this program was compiled for.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "tensor/device.h"

namespace ingot {

// INGOT_CUDA_ARCHITECTURES as the build was given it, with commas: "80, 90a". Code for N runs on
// GPUs of capability N and later ones of the same major number; where "-real" does not stand, the
// driver can make code of it for later GPUs too.
std::string_view cuda_architectures();

// True where code for `architecture` ("90a"), as the compiler made it, is part of the program.
bool has_cuda_code_for(std::string_view architecture);

// Looks for code that the calling thread's current GPU runs. `version` becomes 10 x the compute
// capability that it was written for, which is less than the GPU's where the driver makes code of
// an older one's: it lacks what came later (early starts, clusters). An error where there is none.
cudaError_t find_cuda_code(int* version);

// That version for an opened cuda device.
int cuda_code_version(const Device& device);

}  // namespace ingot
