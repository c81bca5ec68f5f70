#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_round {

struct Round : ops::NoAttrs {
  static constexpr std::string_view name = "round";
  static constexpr std::string_view onnx = "Round";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const {
    // Halves go to the even neighbour, the default rounding mode.
    return std::nearbyint(x);
  }
};

}  // namespace op_round

const OpDef& round_op() {
  using namespace op_round;
  static const OpDef op = ops::unary_op<Round>(11);
  return op;
}

}  // namespace ingot
