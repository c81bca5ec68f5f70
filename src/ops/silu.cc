#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_silu {

// x * sigmoid(alpha * x).
struct Silu {
  static constexpr std::string_view name = "silu";
  static constexpr std::string_view onnx = "Swish";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 1.0;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  double operator()(double x) const { return x / (1.0 + std::exp(-alpha * x)); }
};

}  // namespace op_silu

const OpDef& silu_op() {
  using namespace op_silu;
  static const OpDef op = ops::unary_op<Silu>(24);
  return op;
}

}  // namespace ingot
