#include "kernels/cuda/arch/binary_rows.cuh"

namespace ingot::cuda {
namespace kernel_mul {

struct Product {
  static __device__ float apply(float a, float b) { return a * b; }
};

}  // namespace kernel_mul

// Equal shapes, or one row or element times every row.
const KernelDef& mul_kernel() {
  using namespace kernel_mul;
  static const KernelDef kernel = {
      .name = "mul",
      .op = "mul",
      .device = "cuda",
      .invariant = true,
      .priority = 20,
      .supports = binary_supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<BinaryInstance>(desc, &launch_binary<Product>, "mul");
      }};
  return kernel;
}

}  // namespace ingot::cuda
