#include "kernels/cpu/contract/f32_ops.h"
#include "ops/shared/elementwise.h"

namespace ingot::cpu {
namespace kernel_tanh_f32 {

struct TanhF32 : ops::NoAttrs {
  static constexpr std::string_view op = "tanh";
  float operator()(float x) const { return std::tanh(x); }
};

}  // namespace kernel_tanh_f32

const KernelDef& tanh_f32_kernel() {
  using namespace kernel_tanh_f32;
  static const KernelDef kernel = unary_f32<TanhF32>("tanh_f32");
  return kernel;
}

}  // namespace ingot::cpu
