#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace {

struct DivF32 {
  static float apply(float a, float b) { return a / b; }
};

}  // namespace

// Any broadcast.
const KernelDef& div_f32_kernel() {
  static const KernelDef kernel = binary_f32<DivF32>("div_f32", "div");
  return kernel;
}

}  // namespace ingot::cpu
