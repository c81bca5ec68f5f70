#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_bitwise_not {

struct BitwiseNot : ops::NoAttrs {
  static constexpr std::string_view name = "bitwise_not";
  static constexpr std::string_view onnx = "BitwiseNot";
  static constexpr auto types = ops::Types::kInteger;
  template <typename T>
  requires std::is_integral_v<T> T operator()(T x) const { return ~x; }
};

}  // namespace op_bitwise_not

const OpDef& bitwise_not_op() {
  using namespace op_bitwise_not;
  static const OpDef op = ops::unary_op<BitwiseNot>(18);
  return op;
}

}  // namespace ingot
