#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_asinh {

struct Asinh : ops::NoAttrs {
  static constexpr std::string_view name = "asinh";
  static constexpr std::string_view onnx = "Asinh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::asinh(x); }
};

}  // namespace op_asinh

const OpDef& asinh_op() {
  using namespace op_asinh;
  static const OpDef op = ops::unary_op<Asinh>(9);
  return op;
}

}  // namespace ingot
