#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_layer_norm_f32 {

void normalize(const float* x, const float* scale, const float* bias, float* y, int64_t n,
               double epsilon) {
  double sum = 0, square = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    square += (x[i] - mean) * (x[i] - mean);
  }
  const auto factor = static_cast<float>(1 / std::sqrt(square / static_cast<double>(n) + epsilon));
  for (int64_t i = 0; i < n; ++i) {
    const float value = static_cast<float>(x[i] - mean) * factor * (scale ? scale[i] : 1.0f);
    y[i] = bias ? value + bias[i] : value;
  }
}

}  // namespace kernel_layer_norm_f32

const KernelDef& layer_norm_f32_kernel() {
  using namespace kernel_layer_norm_f32;
  static const KernelDef kernel = {
      .name = "layer_norm_f32",
      .op = "layer_norm",
      .device = "cpu",
      .version = 3,
      .invariant = true,
      .priority = 5,  // below hand-written vector kernels
      .supports = &needs_f32,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        const double epsilon = attr_or<double>(desc.attrs, "epsilon", 1e-5);
        const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
        return make_instance([epsilon, group](const LaunchArgs& args, ExecContext& context) {
          const TensorView &x = args.inputs[0], &y = args.outputs[0];
          const auto vector = [&](size_t i) -> const float* {
            return i < args.inputs.size() && args.inputs[i].present() ? args.inputs[i].as<float>()
                                                                      : nullptr;
          };
          const float *scale = vector(1), *bias = vector(2);
          const int64_t columns = x.columns(), n = group > 0 ? group : columns;
          split_work(context, x.rows(), std::max<int64_t>(1, kElementGrain / (columns + 1)),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t r = begin; r < end; ++r) {
                         for (int64_t c = 0; c < columns; c += n) {
                           normalize(x.row_as<float>(r) + c, scale ? scale + c : nullptr,
                                     bias ? bias + c : nullptr, y.row_as<float>(r) + c, n, epsilon);
                         }
                       }
                     });
        });
      }};
  return kernel;
}

}  // namespace ingot::cpu
