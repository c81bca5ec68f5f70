#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_acosh {

struct Acosh : ops::NoAttrs {
  static constexpr std::string_view name = "acosh";
  static constexpr std::string_view onnx = "Acosh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::acosh(x); }
};

}  // namespace op_acosh

const OpDef& acosh_op() {
  using namespace op_acosh;
  static const OpDef op = ops::unary_op<Acosh>(9);
  return op;
}

}  // namespace ingot
