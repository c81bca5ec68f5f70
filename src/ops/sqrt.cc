#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sqrt {

struct Sqrt : ops::NoAttrs {
  static constexpr std::string_view name = "sqrt";
  static constexpr std::string_view onnx = "Sqrt";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::sqrt(x); }
};

}  // namespace op_sqrt

const OpDef& sqrt_op() {
  using namespace op_sqrt;
  static const OpDef op = ops::unary_op<Sqrt>();
  return op;
}

}  // namespace ingot
