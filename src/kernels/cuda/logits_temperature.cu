#include "kernels/cuda/contract/views.h"
// views.h comes first: it prepares fmt.
#include "ops/contract/logits_args.h"

namespace ingot::cuda {
namespace kernel_logits_temperature {

constexpr int kThreads = 256;
constexpr int kPart = 4096;  // elements of a block

struct TemperatureArgs {
  const float* x;
  float* y;
  int64_t x_stride, y_stride;  // elements
  int64_t n;
  const float* temperature;
  bool vector;
};

// grid: parts of a row, rows.
__global__ void __launch_bounds__(kThreads) divide(TemperatureArgs a) {
  const int64_t row = blockIdx.y;
  const float given = a.temperature[row];
  const bool idle = given < kGreedyTemperature || given == 1.0f;
  const float by = idle ? 1.0f : given;  // dividing by one changes no bit
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kPart;
  const int64_t end = min(a.n, begin + kPart);
  const float* x = a.x + row * a.x_stride;
  float* y = a.y + row * a.y_stride;
  int64_t done = begin;
  if (a.vector) {
    done = end / 4 * 4;
#pragma unroll 4
    for (int64_t i = begin + 4 * threadIdx.x; i < done; i += 4 * kThreads) {
      const float4 v = *reinterpret_cast<const float4*>(x + i);
      *reinterpret_cast<float4*>(y + i) = make_float4(v.x / by, v.y / by, v.z / by, v.w / by);
    }
  }
  for (int64_t i = done + threadIdx.x; i < end; i += kThreads) y[i] = x[i] / by;
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  if (x.rows() == 0) return;
  CHECK_LE(x.rows(), 65535);
  const TemperatureArgs a = {x.as<const float>(),
                             y.as<float>(),
                             row_elements(x),
                             row_elements(y),
                             x.columns(),
                             args.inputs[1].as<const float>(),
                             is_vector_aligned(x) && is_vector_aligned(y)};
  const dim3 grid(static_cast<unsigned>(ceil_div(a.n, kPart)), static_cast<unsigned>(x.rows()));
  divide<<<grid, kThreads, 0, cuda_stream(context.stream)>>>(a);
  check_launch("logits_temperature");
}

std::string supports(const KernelDesc& desc) {
  const Shape& logits = desc.inputs[0].shape;
  return logits.size() != 2 || logits[0] > 65535 ? "more than 65535 rows" : "";
}

}  // namespace kernel_logits_temperature

// Every row by its own.
const KernelDef& logits_temperature_kernel() {
  using namespace kernel_logits_temperature;
  static const KernelDef kernel = {
      .name = "logits_temperature",
      .op = "logits_temperature",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .supports = supports,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
