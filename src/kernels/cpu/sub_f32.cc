#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_sub_f32 {

struct SubF32 {
  static float apply(float a, float b) { return a - b; }
};

}  // namespace kernel_sub_f32

// Any broadcast.
const KernelDef& sub_f32_kernel() {
  using namespace kernel_sub_f32;
  static const KernelDef kernel = binary_f32<SubF32>("sub_f32", "sub");
  return kernel;
}

}  // namespace ingot::cpu
