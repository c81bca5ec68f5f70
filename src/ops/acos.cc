#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_acos {

struct Acos : ops::NoAttrs {
  static constexpr std::string_view name = "acos";
  static constexpr std::string_view onnx = "Acos";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::acos(x); }
};

}  // namespace op_acos

const OpDef& acos_op() {
  using namespace op_acos;
  static const OpDef op = ops::unary_op<Acos>(7);
  return op;
}

}  // namespace ingot
