// unit: large
#include "kernels/cuda/arch/stream_linear.cuh"

namespace ingot::cuda {

std::unique_ptr<KernelInstance> stream_linear::plain_instance(const char* name,
                                                              const KernelDesc& desc) {
  return instance<PlainUnit>(name, desc);
}

// Up to 16 rows of 16-bit x and weights.
const KernelDef& linear_stream_kernel() {
  static const KernelDef kernel = {.name = "linear_stream",
                                   .op = "linear",
                                   .device = "cuda",
                                   .rank = stream_linear::rank,
                                   .supports = stream_linear::supports,
                                   .prepare = [](const KernelDesc& desc, std::string_view) {
                                     return stream_linear::plain_instance("linear_stream", desc);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
