#include "kernels/cpu/kv_pages.h"
#include "kernels/kernel_def.h"

namespace ingot::cpu {
namespace kernel_kv_append_copy {

void launch(const LaunchArgs& args, ExecContext& context) {
  for (size_t which : {0, 1}) {
    const TensorView& source = args.inputs[which];
    const KvPages pages(args.outputs[which], args.inputs[6]);
    const int64_t dim = args.outputs[which].shape[3];
    context.team->parallel_for(source.rows(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t position = load_index(args.inputs[4], t);
        const int64_t row = load_index(args.inputs[5], t);
        for (int64_t h = 0; h < pages.heads(); ++h) {
          copy_elements(source.type, source.row(t) + source.type.bytes(h * dim), pages.type(),
                        pages.slot(row, position, h), dim);
        }
      }
    });
  }
}

}  // namespace kernel_kv_append_copy

// Copies rows into their pages, any scalar types.
const KernelDef& kv_append_copy_kernel() {
  using namespace kernel_kv_append_copy;
  static const KernelDef kernel = {
      .name = "kv_append_copy",
      .op = "kv_append",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports =
          [](const KernelDesc& desc) {
            for (size_t i = 0; i < 4; ++i) {
              if (desc.inputs[i].type.is_block()) return "input is " + desc.inputs[i].type.name();
            }
            return std::string();
          },
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cpu
