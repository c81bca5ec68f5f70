#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_bitwise_and {

struct BitwiseAnd : ops::NoAttrs {
  static constexpr std::string_view name = "bitwise_and";
  static constexpr std::string_view onnx = "BitwiseAnd";
  static constexpr auto types = ops::Types::kInteger;
  template <typename T>
  requires std::is_integral_v<T> T operator()(T a, T b) const { return a & b; }
};

}  // namespace op_bitwise_and

const OpDef& bitwise_and_op() {
  using namespace op_bitwise_and;
  static const OpDef op = ops::binary_op<BitwiseAnd>(18);
  return op;
}

}  // namespace ingot
