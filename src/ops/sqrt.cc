#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Sqrt : ops::NoAttrs {
  static constexpr std::string_view name = "sqrt";
  static constexpr std::string_view onnx = "Sqrt";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::sqrt(x); }
};

}  // namespace

const OpDef& sqrt_op() {
  static const OpDef op = ops::unary_op<Sqrt>();
  return op;
}

}  // namespace ingot
