#include "kernels/cuda/arch/binary_rows.cuh"

namespace ingot::cuda {
namespace kernel_add {

struct Sum {
  static __device__ float apply(float a, float b) { return a + b; }
};

}  // namespace kernel_add

// Equal shapes, or one row or element added to every row.
const KernelDef& add_kernel() {
  using namespace kernel_add;
  static const KernelDef kernel = {
      .name = "add",
      .op = "add",
      .device = "cuda",
      .invariant = true,
      .priority = 20,
      .supports = binary_supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<BinaryInstance>(desc, &launch_binary<Sum>, "add");
      }};
  return kernel;
}

}  // namespace ingot::cuda
