#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct BitwiseXor : ops::NoAttrs {
  static constexpr std::string_view name = "bitwise_xor";
  static constexpr std::string_view onnx = "BitwiseXor";
  static constexpr auto types = ops::Types::kInteger;
  template <typename T>
  requires std::is_integral_v<T> T operator()(T a, T b) const { return a ^ b; }
};

}  // namespace

const OpDef& bitwise_xor_op() {
  static const OpDef op = ops::binary_op<BitwiseXor>(18);
  return op;
}

}  // namespace ingot
