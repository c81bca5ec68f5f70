#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_floor {

struct Floor : ops::NoAttrs {
  static constexpr std::string_view name = "floor";
  static constexpr std::string_view onnx = "Floor";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::floor(x); }
};

}  // namespace op_floor

const OpDef& floor_op() {
  using namespace op_floor;
  static const OpDef op = ops::unary_op<Floor>();
  return op;
}

}  // namespace ingot
