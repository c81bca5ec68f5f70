#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_cos {

struct Cos : ops::NoAttrs {
  static constexpr std::string_view name = "cos";
  static constexpr std::string_view onnx = "Cos";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::cos(x); }
};

}  // namespace op_cos

const OpDef& cos_op() {
  using namespace op_cos;
  static const OpDef op = ops::unary_op<Cos>(7);
  return op;
}

}  // namespace ingot
