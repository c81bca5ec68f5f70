#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_hard_swish {

struct HardSwish : ops::NoAttrs {
  static constexpr std::string_view name = "hard_swish";
  static constexpr std::string_view onnx = "HardSwish";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return x * std::fmax(0.0, std::fmin(1.0, x / 6.0 + 0.5)); }
};

}  // namespace op_hard_swish

const OpDef& hard_swish_op() {
  using namespace op_hard_swish;
  static const OpDef op = ops::unary_op<HardSwish>(14);
  return op;
}

}  // namespace ingot
