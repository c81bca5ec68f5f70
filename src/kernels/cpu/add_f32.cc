#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_add_f32 {

struct AddF32 {
  static float apply(float a, float b) { return a + b; }
};

}  // namespace kernel_add_f32

// Any broadcast.
const KernelDef& add_f32_kernel() {
  using namespace kernel_add_f32;
  static const KernelDef kernel = binary_f32<AddF32>("add_f32", "add");
  return kernel;
}

}  // namespace ingot::cpu
