#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Tan : ops::NoAttrs {
  static constexpr std::string_view name = "tan";
  static constexpr std::string_view onnx = "Tan";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::tan(x); }
};

}  // namespace

const OpDef& tan_op() {
  static const OpDef op = ops::unary_op<Tan>(7);
  return op;
}

}  // namespace ingot
