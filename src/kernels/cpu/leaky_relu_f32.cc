#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_leaky_relu_f32 {

struct LeakyReluF32 {
  static constexpr std::string_view op = "leaky_relu";
  double alpha = 0.01;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  float operator()(float x) const { return x < 0 ? static_cast<float>(alpha) * x : x; }
};

}  // namespace kernel_leaky_relu_f32

const KernelDef& leaky_relu_f32_kernel() {
  using namespace kernel_leaky_relu_f32;
  static const KernelDef kernel = unary_f32<LeakyReluF32>("leaky_relu_f32");
  return kernel;
}

}  // namespace ingot::cpu
