#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_layer_norm {

constexpr int kThreads = 256;

struct NormArgs {
  const void* x;
  void* y;
  AnyFloats scale, bias;  // may be absent
  int64_t x_stride, y_stride;
  int64_t n;  // columns of a norm: block (r, g) does columns [g * n, (g + 1) * n) of row r
  float epsilon;
};

// One block a norm, read three times: mean, then squares about it and what rounding left of it,
// then the result.
template <class T>
__global__ void __launch_bounds__(kThreads) normalize(NormArgs a) {
  wait_for_earlier();
  let_next_start();
  __shared__ float first[32], second[32], third[32];
  const int64_t begin = blockIdx.y * a.n;
  const T* x = static_cast<const T*>(a.x) + blockIdx.x * a.x_stride + begin;
  T* y = static_cast<T*>(a.y) + blockIdx.x * a.y_stride + begin;
  const auto n = static_cast<float>(a.n);
  float sum = 0;
  for (int64_t i = threadIdx.x; i < a.n; i += kThreads) sum += to_float(x[i]);
  const float center = block_sum(sum, first) / n;
  float left = 0, squares = 0;
  for (int64_t i = threadIdx.x; i < a.n; i += kThreads) {
    const float d = to_float(x[i]) - center;
    left += d;
    squares = fmaf(d, d, squares);
  }
  const float shift = block_sum(left, third) / n;
  const float variance = fmaxf(0.0f, fmaf(-shift, shift, block_sum(squares, second) / n));
  const float factor = 1.0f / sqrtf(variance + a.epsilon);
  for (int64_t i = threadIdx.x; i < a.n; i += kThreads) {
    float value = (to_float(x[i]) - center - shift) * factor;
    if (a.scale.data) value *= load_any(a.scale, begin + i);
    if (a.bias.data) value += load_any(a.bias, begin + i);
    y[i] = from_float<T>(value);
  }
}

std::string supports(const KernelDesc& desc) {
  for (size_t i = 0; i < desc.inputs.size(); ++i) {
    if (desc.inputs[i].present && !is_activation(desc.inputs[i].type)) {
      return "input is " + desc.inputs[i].type.name();
    }
  }
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  if (group > 0 && desc.inputs[0].shape.back() / group > 65535) return "over 65535 groups";
  return "";
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  const auto epsilon = static_cast<float>(attr_or<double>(desc.attrs, "epsilon", 1e-5));
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  return make_instance([=](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    const NormArgs a = {x.data,
                        y.data,
                        optional_floats(args.inputs, 1),
                        optional_floats(args.inputs, 2),
                        row_elements(x),
                        row_elements(y),
                        group > 0 ? group : x.columns(),
                        epsilon};
    with_float(x.type, [&](auto tag) {
      launch_early("layer_norm", context, normalize<decltype(tag)>,
                   {x.rows(), group > 0 ? x.columns() / group : 1, kThreads}, 0, a);
    });
  });
}

}  // namespace kernel_layer_norm

// Along the last axis, or over groups of its columns.
const KernelDef& layer_norm_kernel() {
  using namespace kernel_layer_norm;
  static const KernelDef kernel = {.name = "layer_norm",
                                   .op = "layer_norm",
                                   .device = "cuda",
                                   .version = 3,
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
