#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_is_nan {

struct IsNan : ops::NoAttrs {
  static constexpr std::string_view name = "is_nan";
  static constexpr std::string_view onnx = "IsNaN";
  static constexpr auto types = ops::Types::kFloat;
  static constexpr DType result = DType::kBool;
  bool operator()(double x) const { return std::isnan(x); }
};

}  // namespace op_is_nan

const OpDef& is_nan_op() {
  using namespace op_is_nan;
  static const OpDef op = ops::unary_op<IsNan>(9);
  return op;
}

}  // namespace ingot
