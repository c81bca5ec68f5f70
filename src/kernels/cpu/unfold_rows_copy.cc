#include <cstring>

#include "kernels/cpu/linear_common.h"

namespace ingot::cpu {
namespace kernel_unfold_rows_copy {

// Elements of Word's size; every `kernel`-th place of a row is one tap's.
template <class Word>
void unfold(const TensorView& x, const TensorView& y, int64_t kernel, int64_t stride, int64_t r) {
  const int64_t columns = x.columns();
  auto* to = reinterpret_cast<Word*>(y.row(r));
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const int64_t row = r * stride + tap - kernel / 2;
    if (row < 0 || row >= x.shape[0]) {
      for (int64_t c = 0; c < columns; ++c) to[c * kernel + tap] = 0;
      continue;
    }
    const auto* from = reinterpret_cast<const Word*>(x.row(row));
    for (int64_t c = 0; c < columns; ++c) to[c * kernel + tap] = from[c];
  }
}

class Instance final : public KernelInstance {
 public:
  explicit Instance(const Attrs& attrs)
      : kernel_(attr_or<int64_t>(attrs, "kernel", 1)),
        stride_(attr_or<int64_t>(attrs, "stride", 1)) {}
  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView &x = args.inputs[0], &y = args.outputs[0];
    const auto run = x.type.bytes(1) == 4 ? &unfold<uint32_t> : &unfold<uint16_t>;
    context.team->parallel_for(y.shape[0], 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) run(x, y, kernel_, stride_, r);
    });
  }

 private:
  int64_t kernel_, stride_;
};

}  // namespace kernel_unfold_rows_copy

// float32, bfloat16 and float16, rows packed or strided.
const KernelDef& unfold_rows_copy_kernel() {
  using namespace kernel_unfold_rows_copy;
  static const KernelDef kernel = {
      .name = "unfold_rows_copy",
      .op = "unfold_rows",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .supports = [](const KernelDesc& desc) -> std::string {
        const ElementType& type = desc.inputs[0].type;
        return is_activation_type(type) ? "" : "type " + type.name();
      },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Instance>(desc.attrs);
      }};
  return kernel;
}

}  // namespace ingot::cpu
