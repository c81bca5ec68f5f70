#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_leaky_relu {

struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr std::string_view onnx = "LeakyRelu";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 0.01;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  double operator()(double x) const { return x < 0 ? alpha * x : x; }
};

}  // namespace op_leaky_relu

const OpDef& leaky_relu_op() {
  using namespace op_leaky_relu;
  static const OpDef op = ops::unary_op<LeakyRelu>();
  return op;
}

}  // namespace ingot
