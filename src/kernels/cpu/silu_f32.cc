#include "kernels/cpu/contract/f32_ops.h"

namespace ingot::cpu {
namespace kernel_silu_f32 {

struct SiluF32 {
  static constexpr std::string_view op = "silu";
  double alpha = 1.0;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  float operator()(float x) const { return x / (1.0f + std::exp(-static_cast<float>(alpha) * x)); }
};

}  // namespace kernel_silu_f32

const KernelDef& silu_f32_kernel() {
  using namespace kernel_silu_f32;
  static const KernelDef kernel = unary_f32<SiluF32>("silu_f32");
  return kernel;
}

}  // namespace ingot::cpu
