#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_ceil {

struct Ceil : ops::NoAttrs {
  static constexpr std::string_view name = "ceil";
  static constexpr std::string_view onnx = "Ceil";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::ceil(x); }
};

}  // namespace op_ceil

const OpDef& ceil_op() {
  using namespace op_ceil;
  static const OpDef op = ops::unary_op<Ceil>();
  return op;
}

}  // namespace ingot
