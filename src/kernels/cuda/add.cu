#include "kernels/cuda/arch/binary_rows.cuh"

namespace ingot::cuda {
namespace kernel_add {

struct Sum {
  static __device__ float apply(float a, float b) { return a + b; }
};

}  // namespace kernel_add

// Equal shapes, or one row added to every row.
const KernelDef& add_kernel() {
  using namespace kernel_add;
  static const KernelDef kernel = {
      .name = "add",
      .op = "add",
      .device = "cuda",
      .invariant = true,
      .priority = 20,
      .supports = binary_supports,
      .prepare = [](const KernelDesc&, std::string_view) {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          launch_binary<Sum>(args, context, "add");
        });
      }};
  return kernel;
}

}  // namespace ingot::cuda
