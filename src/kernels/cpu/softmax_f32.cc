#include <limits>

#include "kernels/cpu/contract/f32_ops.h"
#include "ops/shared/along_axis.h"

namespace ingot::cpu {
namespace kernel_softmax_f32 {

void softmax_row(const float* x, float* y, int64_t n) {
  float top = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;
  if (top == -std::numeric_limits<float>::infinity()) {  // all masked
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] == top ? 0 : x[i];
    return;
  }
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    y[i] = std::exp(x[i] - top);
    sum += y[i];
  }
  const float scale = 1 / sum;
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}

}  // namespace kernel_softmax_f32

// Along the last axis.
const KernelDef& softmax_f32_kernel() {
  using namespace kernel_softmax_f32;
  static const KernelDef kernel = {
      .name = "softmax_f32",
      .op = "softmax",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            const int64_t axis = read_attrs<ops::AxisAttrs>(desc.attrs, "kernels/cpu").axis;
            const size_t rank = desc.inputs[0].shape.size();
            if (ops::wrap_axis(axis, rank) + 1 != static_cast<int64_t>(rank)) {
              return std::string("needs the last axis");
            }
            return needs_f32(desc);
          },
      .prepare = [](const KernelDesc&, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          const TensorView &x = args.inputs[0], &y = args.outputs[0];
          split_work(context, x.rows(), std::max<int64_t>(1, kElementGrain / (x.columns() + 1)),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t r = begin; r < end; ++r) {
                         softmax_row(x.row_as<float>(r), y.row_as<float>(r), x.columns());
                       }
                     });
        });
      }};
  return kernel;
}

}  // namespace ingot::cpu
