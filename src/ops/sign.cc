#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_sign {

struct Sign : ops::NoAttrs {
  static constexpr std::string_view name = "sign";
  static constexpr std::string_view onnx = "Sign";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T x) const {
    return static_cast<T>((x > T(0)) - (x < T(0)));
  }
};

}  // namespace op_sign

const OpDef& sign_op() {
  using namespace op_sign;
  static const OpDef op = ops::unary_op<Sign>(9);
  return op;
}

}  // namespace ingot
