#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sin {

struct Sin : ops::NoAttrs {
  static constexpr std::string_view name = "sin";
  static constexpr std::string_view onnx = "Sin";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::sin(x); }
};

}  // namespace op_sin

const OpDef& sin_op() {
  using namespace op_sin;
  static const OpDef op = ops::unary_op<Sin>(7);
  return op;
}

}  // namespace ingot
