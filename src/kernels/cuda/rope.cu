#include "kernels/cuda/arch/rope.cuh"

namespace ingot::cuda {
namespace kernel_rope {

// A warp a head.
template <class T>
__global__ void __launch_bounds__(32 * kRopeWarps)
    rotate(RopeParams rope, const T* x, int64_t x_stride, T* y, int64_t y_stride,
           const int* positions, int heads) {
  __shared__ RopeTurns turns;
  wait_for_earlier();
  let_next_start();
  const int64_t token = blockIdx.x;
  fill_turns(rope, token, positions[token], turns);
  for (int head = rope_item(); head < heads; head += rope_items()) {
    const int64_t column = static_cast<int64_t>(head) * rope.head_dim;
    rope_head_to(rope, turns, x + token * x_stride + column, y + token * y_stride + column);
  }
}

std::string supports(const KernelDesc& desc) {
  if (!is_activation(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (desc.inputs[1].type != DType::kInt32) return "positions are " + desc.inputs[1].type.name();
  return rope_supports(desc.inputs[2]);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  return make_instance([attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    const RopeParams rope = rope_params(attrs, args.inputs[2]);
    const int heads = static_cast<int>(x.columns() / rope.head_dim);
    with_float(x.type, [&](auto tag) {
      using T = decltype(tag);
      launch_early("rope", context, rotate<T>, rope_grid(x.rows(), heads), 0, rope, x.as<T>(),
                   row_elements(x), y.as<T>(), row_elements(y), args.inputs[1].as<int>(), heads);
    });
  });
}

}  // namespace kernel_rope

// Rotary embedding.
const KernelDef& rope_kernel() {
  using namespace kernel_rope;
  static const KernelDef kernel = {.name = "rope",
                                   .op = "rope",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
