#include "kernels/cpu/contract/conv_geometry.h"
#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {

// Values alone, without the index output.
const KernelDef& max_pool_f32_kernel() {
  static const KernelDef kernel = {
      .name = "max_pool_f32",
      .op = "max_pool",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            return desc.outputs.size() > 1 ? std::string("gives no indices") : needs_f32(desc);
          },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
          const TensorView &x = args.inputs[0], &y = args.outputs[0];
          const ConvGeometry g = ConvGeometry::pool(attrs, x.shape, y.shape);
          split_work(context, x.shape[0] * x.shape[1], 1, [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
              const float* plane = x.as<float>() + p * g.in_plane;
              float* out = y.as<float>() + p * g.out_plane;
              for (int64_t o = 0; o < g.out_plane; ++o) {
                int64_t best = -1;
                for (int64_t tap = 0; tap < g.taps; ++tap) {
                  const int64_t at = g.input_offset(o, tap);
                  if (at >= 0 && (best < 0 || plane[at] > plane[best])) best = at;
                }
                out[o] = best < 0 ? 0 : plane[best];
              }
            }
          });
        });
      }};
  return kernel;
}

}  // namespace ingot::cpu
