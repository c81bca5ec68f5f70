#include "kernels/cuda/arch/binary_rows.cuh"

namespace ingot::cuda {
namespace kernel_mul {

struct Product {
  static __device__ float apply(float a, float b) { return a * b; }
};

}  // namespace kernel_mul

// Equal shapes, or one row times every row.
const KernelDef& mul_kernel() {
  using namespace kernel_mul;
  static const KernelDef kernel = {
      .name = "mul",
      .op = "mul",
      .device = "cuda",
      .invariant = true,
      .priority = 20,
      .supports = binary_supports,
      .prepare = [](const KernelDesc&, std::string_view) {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          launch_binary<Product>(args, context, "mul");
        });
      }};
  return kernel;
}

}  // namespace ingot::cuda
