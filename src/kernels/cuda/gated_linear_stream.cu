// unit: large
#include "kernels/cuda/arch/stream_linear.cuh"

namespace ingot::cuda {
namespace kernel_gated_linear_stream {

std::string supports(const KernelDesc& desc) {
  const std::string reason = gated_supports(desc.attrs);
  return reason.empty() ? stream_linear::supports(desc) : reason;
}

}  // namespace kernel_gated_linear_stream

// Up to 16 rows of 16-bit x and weights. A tile is eight rows of the gate and the eight of the up
// that belong to them; both products stay in float32.
const KernelDef& gated_linear_stream_kernel() {
  static const KernelDef kernel = {.name = "gated_linear_stream",
                                   .op = "gated_linear",
                                   .device = "cuda",
                                   .rank = stream_linear::rank,
                                   .supports = kernel_gated_linear_stream::supports,
                                   .prepare = [](const KernelDesc& desc, std::string_view) {
                                     return stream_linear::instance<GatedUnit>(
                                         "gated_linear_stream", desc);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
