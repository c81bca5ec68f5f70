// Linear layers by cuBLASLt, for the kernels of `linear` and `linear_add`: the bias is the
// library's epilogue, the residual its matrix C. A weight in pieces is a product a piece.
#pragma once

#include "kernels/cuda/contract/check.h"
// check.h comes first: it prepares fmt.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_def.h"

namespace ingot::cuda::cublaslt_linear {

// x and the weight have one type, which bias, residual and y share; without a residual y may be
// float32.
std::string supports(const KernelDesc& desc);
// What the library offers for the descriptor's number of rows and packed operands.
std::vector<std::string> tactics(const KernelDesc& desc);
// Float32 accumulation without TF32. Where the tactic's algorithm does not work for the rows,
// columns and addresses of a launch, the library's favourite runs: Error{kUnsupported} if it has
// none.
std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic);

}  // namespace ingot::cuda::cublaslt_linear
