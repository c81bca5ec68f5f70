#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Mish : ops::NoAttrs {
  static constexpr std::string_view name = "mish";
  static constexpr std::string_view onnx = "Mish";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const {
    return x * std::tanh(std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))));
  }
};

}  // namespace

const OpDef& mish_op() {
  static const OpDef op = ops::unary_op<Mish>(18);
  return op;
}

}  // namespace ingot
