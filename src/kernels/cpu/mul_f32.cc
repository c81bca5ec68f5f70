#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_mul_f32 {

struct MulF32 {
  static float apply(float a, float b) { return a * b; }
};

}  // namespace kernel_mul_f32

// Any broadcast.
const KernelDef& mul_f32_kernel() {
  using namespace kernel_mul_f32;
  static const KernelDef kernel = binary_f32<MulF32>("mul_f32", "mul");
  return kernel;
}

}  // namespace ingot::cpu
