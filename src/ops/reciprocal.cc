#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_reciprocal {

struct Reciprocal : ops::NoAttrs {
  static constexpr std::string_view name = "reciprocal";
  static constexpr std::string_view onnx = "Reciprocal";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return 1.0 / x; }
};

}  // namespace op_reciprocal

const OpDef& reciprocal_op() {
  using namespace op_reciprocal;
  static const OpDef op = ops::unary_op<Reciprocal>();
  return op;
}

}  // namespace ingot
