#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_div_f32 {

struct DivF32 {
  static float apply(float a, float b) { return a / b; }
};

}  // namespace kernel_div_f32

// Any broadcast.
const KernelDef& div_f32_kernel() {
  using namespace kernel_div_f32;
  static const KernelDef kernel = binary_f32<DivF32>("div_f32", "div");
  return kernel;
}

}  // namespace ingot::cpu
