// Paged attention kernels of other files as parts of a kernel that is made of several: each works
// on the batch rows within bounds alone, which it finds on the device. `desc` describes the work at
// most: a row's tokens that no bounds leave out.
#pragma once

#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {

const KernelDef& paged_attention_flashinfer_group_kernel();
const KernelDef& paged_attention_stream_kernel();
const KernelDef& paged_attention_wgmma_kernel();

// paged_attention_flashinfer_group.cu and paged_attention_stream.cu, keys in one part; an upper
// bound is needed, and desc has rows times that bound tokens.
std::unique_ptr<KernelInstance> bounded_group(const KernelDesc& desc, const FreshBounds& fresh);
std::unique_ptr<KernelInstance> bounded_stream(const KernelDesc& desc, const FreshBounds& fresh,
                                               int warps);
// paged_attention_wgmma.cu, with one of its tactics.
std::unique_ptr<KernelInstance> bounded_wgmma(const KernelDesc& desc, const FreshBounds& fresh,
                                              std::string_view tactic);

}  // namespace ingot::cuda
