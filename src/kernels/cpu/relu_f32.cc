#include "kernels/cpu/contract/f32_ops.h"
#include "ops/shared/elementwise.h"

namespace ingot::cpu {
namespace {

struct ReluF32 : ops::NoAttrs {
  static constexpr std::string_view op = "relu";
  float operator()(float x) const { return x < 0 ? 0 : x; }
};

}  // namespace

const KernelDef& relu_f32_kernel() {
  static const KernelDef kernel = unary_f32<ReluF32>("relu_f32");
  return kernel;
}

}  // namespace ingot::cpu
