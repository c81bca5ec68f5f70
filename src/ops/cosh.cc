#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_cosh {

struct Cosh : ops::NoAttrs {
  static constexpr std::string_view name = "cosh";
  static constexpr std::string_view onnx = "Cosh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::cosh(x); }
};

}  // namespace op_cosh

const OpDef& cosh_op() {
  using namespace op_cosh;
  static const OpDef op = ops::unary_op<Cosh>(9);
  return op;
}

}  // namespace ingot
