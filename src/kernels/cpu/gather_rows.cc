#include <cstring>

#include "base/error.h"
#include "kernels/kernel_def.h"

namespace ingot::cpu {
namespace kernel_gather_rows {

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& indices = args.inputs[1];
  const TensorView& out = args.outputs[0];
  const int64_t count = indices.elements();
  const auto bytes = static_cast<size_t>(x.type.bytes(x.columns()));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = load_index(indices, i);
    if (index < -x.shape[0] || index >= x.shape[0]) {
      fail(ErrorCode::kInvalidArgument, "ops/gather", "expected index {} to {}, found {}",
           -x.shape[0], x.shape[0] - 1, index);
    }
  }
  context.team->parallel_for(count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = load_index(indices, i);
      std::memcpy(out.row(i), x.row(index < 0 ? index + x.shape[0] : index), bytes);
    }
  });
}

}  // namespace kernel_gather_rows

// Rows of a matrix, packed or strided.
const KernelDef& gather_rows_kernel() {
  using namespace kernel_gather_rows;
  static const KernelDef kernel = {
      .name = "gather_rows",
      .op = "gather",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            const int64_t axis = attr_or<int64_t>(desc.attrs, "axis", 0);
            if (desc.inputs[0].shape.size() != 2 || (axis != 0 && axis != -2))
              return std::string("not rows");
            return std::string(desc.inputs[1].shape.size() == 1 ? "" : "indices are not a vector");
          },
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cpu
