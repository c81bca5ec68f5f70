#include "kernels/cuda/arch/unary_rows.cuh"

namespace ingot::cuda {
namespace kernel_tanh {

struct Tanh {
  static __device__ float apply(float x) { return tanhf(x); }
};

}  // namespace kernel_tanh

// Hyperbolic tangent of elements.
const KernelDef& tanh_kernel() {
  using namespace kernel_tanh;
  static const KernelDef kernel = {
      .name = "tanh",
      .op = "tanh",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = unary_supports,
      .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          launch_unary<Tanh>(args, context, "tanh");
        });
      }};
  return kernel;
}

}  // namespace ingot::cuda
