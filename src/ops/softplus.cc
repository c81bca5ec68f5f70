#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_softplus {

// log(1 + e^x), written so that it does not overflow.
struct Softplus : ops::NoAttrs {
  static constexpr std::string_view name = "softplus";
  static constexpr std::string_view onnx = "Softplus";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const {
    return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
  }
};

}  // namespace op_softplus

const OpDef& softplus_op() {
  using namespace op_softplus;
  static const OpDef op = ops::unary_op<Softplus>();
  return op;
}

}  // namespace ingot
