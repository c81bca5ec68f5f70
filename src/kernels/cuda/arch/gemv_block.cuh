// Linear layers of up to eight rows whose weights are in block formats, which linear_gemv_block.cu
// compiles the kernels of.
#pragma once

#include "kernels/cuda/contract/launch.cuh"

namespace ingot::cuda {

std::string gemv_block_supports(const KernelDesc& desc);
std::vector<std::string> gemv_block_tactics(const KernelDesc& desc);
// `name` is the KernelDef's.
std::unique_ptr<KernelInstance> gemv_block_instance(const char* name, const KernelDesc& desc,
                                                    std::string_view tactic);

}  // namespace ingot::cuda
