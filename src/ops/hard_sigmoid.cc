#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_hard_sigmoid {

struct HardSigmoid {
  static constexpr std::string_view name = "hard_sigmoid";
  static constexpr std::string_view onnx = "HardSigmoid";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 0.2;
  double beta = 0.5;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
    v("beta", beta);
  }
  double operator()(double x) const { return std::fmax(0.0, std::fmin(1.0, alpha * x + beta)); }
};

}  // namespace op_hard_sigmoid

const OpDef& hard_sigmoid_op() {
  using namespace op_hard_sigmoid;
  static const OpDef op = ops::unary_op<HardSigmoid>();
  return op;
}

}  // namespace ingot
