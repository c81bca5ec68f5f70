#include "kernels/cuda/arch/unary_rows.cuh"

namespace ingot::cuda {
namespace kernel_relu {

struct Relu {
  static __device__ float apply(float x) { return x < 0 ? 0.0f : x; }  // NaN stays
};

}  // namespace kernel_relu

// Elements, negative ones as 0.
const KernelDef& relu_kernel() {
  using namespace kernel_relu;
  static const KernelDef kernel = {
      .name = "relu",
      .op = "relu",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = unary_supports,
      .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          launch_unary<Relu>(args, context, "relu");
        });
      }};
  return kernel;
}

}  // namespace ingot::cuda
