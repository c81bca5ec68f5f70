#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_tan {

struct Tan : ops::NoAttrs {
  static constexpr std::string_view name = "tan";
  static constexpr std::string_view onnx = "Tan";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::tan(x); }
};

}  // namespace op_tan

const OpDef& tan_op() {
  using namespace op_tan;
  static const OpDef op = ops::unary_op<Tan>(7);
  return op;
}

}  // namespace ingot
