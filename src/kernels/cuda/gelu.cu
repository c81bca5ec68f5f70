#include "kernels/cuda/arch/gated.cuh"
#include "kernels/cuda/arch/unary_rows.cuh"
namespace ingot::cuda {
namespace kernel_gelu {

struct Exact {
  static __device__ float apply(float x) { return gelu(x); }
};
struct Approximate {
  static __device__ float apply(float x) { return gelu_tanh(x); }
};

}  // namespace kernel_gelu

// Both forms.
const KernelDef& gelu_kernel() {
  using namespace kernel_gelu;
  static const KernelDef kernel = {
      .name = "gelu",
      .op = "gelu",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = unary_supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        const bool exact = attr_or<std::string>(desc.attrs, "approximate", "none") == "none";
        const auto run = exact ? &launch_unary<Exact> : &launch_unary<Approximate>;
        return make_instance(
            [run](const LaunchArgs& args, ExecContext& context) { run(args, context, "gelu"); });
      }};
  return kernel;
}

}  // namespace ingot::cuda
