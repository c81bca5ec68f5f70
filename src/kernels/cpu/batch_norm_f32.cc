#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {

const KernelDef& batch_norm_f32_kernel() {
  static const KernelDef kernel = {
      .name = "batch_norm_f32",
      .op = "batch_norm",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports = &needs_f32,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        const double epsilon = attr_or<double>(desc.attrs, "epsilon", 1e-5);
        return make_instance(
            [epsilon, attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
              if (!all_packed(args)) {
                return run_reference("batch_norm", attrs, args.inputs, args.outputs);
              }
              const TensorView &x = args.inputs[0], &y = args.outputs[0];
              const int64_t channels = x.shape[1];
              const int64_t planes = x.shape[0] * channels;
              const int64_t plane = planes == 0 ? 0 : x.elements() / planes;
              split_work(context, planes, std::max<int64_t>(1, kElementGrain / (plane + 1)),
                         [&](int64_t begin, int64_t end) {
                           for (int64_t p = begin; p < end; ++p) {
                             const int64_t c = p % channels;
                             const float factor =
                                 args.inputs[1].as<float>()[c] /
                                 static_cast<float>(std::sqrt(
                                     static_cast<double>(args.inputs[4].as<float>()[c]) + epsilon));
                             const float mean = args.inputs[3].as<float>()[c];
                             const float bias = args.inputs[2].as<float>()[c];
                             const float* in = x.as<float>() + p * plane;
                             float* out = y.as<float>() + p * plane;
                             for (int64_t i = 0; i < plane; ++i)
                               out[i] = (in[i] - mean) * factor + bias;
                           }
                         });
            });
      }};
  return kernel;
}

}  // namespace ingot::cpu
