#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_erf {

struct Erf : ops::NoAttrs {
  static constexpr std::string_view name = "erf";
  static constexpr std::string_view onnx = "Erf";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::erf(x); }
};

}  // namespace op_erf

const OpDef& erf_op() {
  using namespace op_erf;
  static const OpDef op = ops::unary_op<Erf>(9);
  return op;
}

}  // namespace ingot
