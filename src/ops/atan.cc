#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_atan {

struct Atan : ops::NoAttrs {
  static constexpr std::string_view name = "atan";
  static constexpr std::string_view onnx = "Atan";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::atan(x); }
};

}  // namespace op_atan

const OpDef& atan_op() {
  using namespace op_atan;
  static const OpDef op = ops::unary_op<Atan>(7);
  return op;
}

}  // namespace ingot
