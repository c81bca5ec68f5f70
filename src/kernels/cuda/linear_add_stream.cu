// unit: large
#include "kernels/cuda/arch/stream_linear.cuh"

namespace ingot::cuda {

// Up to 16 rows of 16-bit x and weights. The residual is added in float32.
const KernelDef& linear_add_stream_kernel() {
  static const KernelDef kernel = {.name = "linear_add_stream",
                                   .op = "linear_add",
                                   .device = "cuda",
                                   .rank = stream_linear::rank,
                                   .supports = stream_linear::supports,
                                   .prepare = [](const KernelDesc& desc, std::string_view) {
                                     return stream_linear::instance<ResidualUnit>(
                                         "linear_add_stream", desc);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
