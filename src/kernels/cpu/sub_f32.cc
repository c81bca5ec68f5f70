#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace {

struct SubF32 {
  static float apply(float a, float b) { return a - b; }
};

}  // namespace

// Any broadcast.
const KernelDef& sub_f32_kernel() {
  static const KernelDef kernel = binary_f32<SubF32>("sub_f32", "sub");
  return kernel;
}

}  // namespace ingot::cpu
