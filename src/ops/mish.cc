#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_mish {

struct Mish : ops::NoAttrs {
  static constexpr std::string_view name = "mish";
  static constexpr std::string_view onnx = "Mish";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const {
    return x * std::tanh(std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))));
  }
};

}  // namespace op_mish

const OpDef& mish_op() {
  using namespace op_mish;
  static const OpDef op = ops::unary_op<Mish>(18);
  return op;
}

}  // namespace ingot
