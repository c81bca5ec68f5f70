#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_softsign {

struct Softsign : ops::NoAttrs {
  static constexpr std::string_view name = "softsign";
  static constexpr std::string_view onnx = "Softsign";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return x / (1.0 + std::fabs(x)); }
};

}  // namespace op_softsign

const OpDef& softsign_op() {
  using namespace op_softsign;
  static const OpDef op = ops::unary_op<Softsign>();
  return op;
}

}  // namespace ingot
