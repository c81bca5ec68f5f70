#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_bitwise_xor {

struct BitwiseXor : ops::NoAttrs {
  static constexpr std::string_view name = "bitwise_xor";
  static constexpr std::string_view onnx = "BitwiseXor";
  static constexpr auto types = ops::Types::kInteger;
  template <typename T>
  requires std::is_integral_v<T> T operator()(T a, T b) const { return a ^ b; }
};

}  // namespace op_bitwise_xor

const OpDef& bitwise_xor_op() {
  using namespace op_bitwise_xor;
  static const OpDef op = ops::binary_op<BitwiseXor>(18);
  return op;
}

}  // namespace ingot
