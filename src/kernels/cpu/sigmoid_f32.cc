#include "kernels/cpu/contract/f32_ops.h"
#include "ops/shared/elementwise.h"

namespace ingot::cpu {
namespace kernel_sigmoid_f32 {

struct SigmoidF32 : ops::NoAttrs {
  static constexpr std::string_view op = "sigmoid";
  float operator()(float x) const { return 1.0f / (1.0f + std::exp(-x)); }
};

}  // namespace kernel_sigmoid_f32

const KernelDef& sigmoid_f32_kernel() {
  using namespace kernel_sigmoid_f32;
  static const KernelDef kernel = unary_f32<SigmoidF32>("sigmoid_f32");
  return kernel;
}

}  // namespace ingot::cpu
