#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace {

struct MulF32 {
  static float apply(float a, float b) { return a * b; }
};

}  // namespace

// Any broadcast.
const KernelDef& mul_f32_kernel() {
  static const KernelDef kernel = binary_f32<MulF32>("mul_f32", "mul");
  return kernel;
}

}  // namespace ingot::cpu
