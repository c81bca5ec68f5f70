#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_tanh {

struct Tanh : ops::NoAttrs {
  static constexpr std::string_view name = "tanh";
  static constexpr std::string_view onnx = "Tanh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::tanh(x); }
};

}  // namespace op_tanh

const OpDef& tanh_op() {
  using namespace op_tanh;
  static const OpDef op = [] {
    OpDef def = ops::unary_op<Tanh>();
    def.row_strided = true;
    return def;
  }();
  return op;
}

}  // namespace ingot
