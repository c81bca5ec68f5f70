#include "kernels/cpu/linear_common.h"

namespace ingot::cpu {
namespace kernel_cast_rows {

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  const int64_t columns = x.columns();
  context.team->parallel_for(x.rows(), 4, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(columns));
    for (int64_t r = begin; r < end; ++r) {
      load_row(x, r, 0, columns, row.data());
      store_row(y, r, 0, columns, row.data());
    }
  });
}

}  // namespace kernel_cast_rows

// Between float32, bfloat16 and float16.
const KernelDef& cast_rows_kernel() {
  using namespace kernel_cast_rows;
  static const KernelDef kernel = {
      .name = "cast_rows",
      .op = "cast",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports = [](const KernelDesc& desc) -> std::string {
        for (const ElementType& type : {desc.inputs[0].type, desc.outputs[0].type}) {
          if (!is_activation_type(type)) return "type " + type.name();
        }
        return "";
      },
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cpu
