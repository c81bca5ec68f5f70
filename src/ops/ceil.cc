#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Ceil : ops::NoAttrs {
  static constexpr std::string_view name = "ceil";
  static constexpr std::string_view onnx = "Ceil";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::ceil(x); }
};

}  // namespace

const OpDef& ceil_op() {
  static const OpDef op = ops::unary_op<Ceil>();
  return op;
}

}  // namespace ingot
