#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Acosh : ops::NoAttrs {
  static constexpr std::string_view name = "acosh";
  static constexpr std::string_view onnx = "Acosh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::acosh(x); }
};

}  // namespace

const OpDef& acosh_op() {
  static const OpDef op = ops::unary_op<Acosh>(9);
  return op;
}

}  // namespace ingot
