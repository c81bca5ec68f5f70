#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_exp {

struct Exp : ops::NoAttrs {
  static constexpr std::string_view name = "exp";
  static constexpr std::string_view onnx = "Exp";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::exp(x); }
};

}  // namespace op_exp

const OpDef& exp_op() {
  using namespace op_exp;
  static const OpDef op = ops::unary_op<Exp>();
  return op;
}

}  // namespace ingot
