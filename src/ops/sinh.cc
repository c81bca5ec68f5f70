#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sinh {

struct Sinh : ops::NoAttrs {
  static constexpr std::string_view name = "sinh";
  static constexpr std::string_view onnx = "Sinh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::sinh(x); }
};

}  // namespace op_sinh

const OpDef& sinh_op() {
  using namespace op_sinh;
  static const OpDef op = ops::unary_op<Sinh>(9);
  return op;
}

}  // namespace ingot
