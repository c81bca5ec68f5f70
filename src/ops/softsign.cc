#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Softsign : ops::NoAttrs {
  static constexpr std::string_view name = "softsign";
  static constexpr std::string_view onnx = "Softsign";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return x / (1.0 + std::fabs(x)); }
};

}  // namespace

const OpDef& softsign_op() {
  static const OpDef op = ops::unary_op<Softsign>();
  return op;
}

}  // namespace ingot
