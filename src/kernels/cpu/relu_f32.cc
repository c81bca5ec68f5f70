#include "kernels/cpu/contract/f32_ops.h"
#include "ops/shared/elementwise.h"

namespace ingot::cpu {
namespace kernel_relu_f32 {

struct ReluF32 : ops::NoAttrs {
  static constexpr std::string_view op = "relu";
  float operator()(float x) const { return x < 0 ? 0 : x; }
};

}  // namespace kernel_relu_f32

const KernelDef& relu_f32_kernel() {
  using namespace kernel_relu_f32;
  static const KernelDef kernel = unary_f32<ReluF32>("relu_f32");
  return kernel;
}

}  // namespace ingot::cpu
