#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sigmoid {

struct Sigmoid : ops::NoAttrs {
  static constexpr std::string_view name = "sigmoid";
  static constexpr std::string_view onnx = "Sigmoid";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return 1.0 / (1.0 + std::exp(-x)); }
};

}  // namespace op_sigmoid

const OpDef& sigmoid_op() {
  using namespace op_sigmoid;
  static const OpDef op = ops::unary_op<Sigmoid>();
  return op;
}

}  // namespace ingot
