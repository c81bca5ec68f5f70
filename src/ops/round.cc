#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Round : ops::NoAttrs {
  static constexpr std::string_view name = "round";
  static constexpr std::string_view onnx = "Round";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const {
    // Halves go to the even neighbour, the default rounding mode.
    return std::nearbyint(x);
  }
};

}  // namespace

const OpDef& round_op() {
  static const OpDef op = ops::unary_op<Round>(11);
  return op;
}

}  // namespace ingot
