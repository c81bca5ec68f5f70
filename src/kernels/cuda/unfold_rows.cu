#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_unfold_rows {

constexpr int kThreads = 256;

struct UnfoldArgs {
  const std::byte* x;
  std::byte* y;
  int64_t rows, x_stride, y_stride;  // strides in bytes
  int columns, kernel, stride;
};

// One block a row of y. Neighbouring threads write neighbouring elements; the reads of a window's
// rows are as many as its taps and come from the cache.
template <class Word>
__global__ void __launch_bounds__(kThreads) unfold(UnfoldArgs a) {
  wait_for_earlier();
  let_next_start();
  const int64_t r = blockIdx.x;
  const int64_t first = r * a.stride - a.kernel / 2;
  auto* to = reinterpret_cast<Word*>(a.y + r * a.y_stride);
  for (int i = threadIdx.x; i < a.columns * a.kernel; i += kThreads) {
    const int64_t row = first + i % a.kernel;
    const bool inside = row >= 0 && row < a.rows;
    to[i] = inside ? reinterpret_cast<const Word*>(a.x + row * a.x_stride)[i / a.kernel] : Word(0);
  }
}

class Instance final : public KernelInstance {
 public:
  explicit Instance(const Attrs& attrs)
      : kernel_(static_cast<int>(attr_or<int64_t>(attrs, "kernel", 1))),
        stride_(static_cast<int>(attr_or<int64_t>(attrs, "stride", 1))) {}
  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView &x = args.inputs[0], &y = args.outputs[0];
    const UnfoldArgs a = {x.data,        y.data,        x.shape[0],
                          x.row_bytes(), y.row_bytes(), static_cast<int>(x.columns()),
                          kernel_,       stride_};
    launch_early("unfold_rows", context, x.type.bytes(1) == 4 ? unfold<uint32_t> : unfold<uint16_t>,
                 {y.shape[0], 1, kThreads}, 0, a);
  }

 private:
  int kernel_, stride_;
};

std::string supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[0].type;
  if (!is_activation(type)) return "input is " + type.name();
  return desc.outputs[0].shape[1] <= INT_MAX / 2 ? "" : "too many columns";
}

}  // namespace kernel_unfold_rows

// float32, bfloat16 and float16, rows packed or strided.
const KernelDef& unfold_rows_kernel() {
  using namespace kernel_unfold_rows;
  static const KernelDef kernel = {
      .name = "unfold_rows",
      .op = "unfold_rows",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Instance>(desc.attrs);
      }};
  return kernel;
}

}  // namespace ingot::cuda
