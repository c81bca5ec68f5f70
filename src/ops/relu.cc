#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_relu {

struct Relu : ops::NoAttrs {
  static constexpr std::string_view name = "relu";
  static constexpr std::string_view onnx = "Relu";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T x) const {
    return x > T(0) || x != x ? x : T(0);
  }
};

}  // namespace op_relu

const OpDef& relu_op() {
  using namespace op_relu;
  static const OpDef op = [] {
    OpDef def = ops::unary_op<Relu>();
    def.row_strided = true;
    return def;
  }();
  return op;
}

}  // namespace ingot
