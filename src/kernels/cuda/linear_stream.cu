// unit: large
#include "kernels/cuda/arch/stream_linear.cuh"

namespace ingot::cuda {

// Up to 16 rows of 16-bit x and weights.
const KernelDef& linear_stream_kernel() {
  static const KernelDef kernel = {.name = "linear_stream",
                                   .op = "linear",
                                   .device = "cuda",
                                   .rank = stream_linear::rank,
                                   .supports = stream_linear::supports,
                                   .prepare = [](const KernelDesc& desc, std::string_view) {
                                     return stream_linear::instance<PlainUnit>("linear_stream",
                                                                               desc);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
