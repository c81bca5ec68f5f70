#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_bitwise_or {

struct BitwiseOr : ops::NoAttrs {
  static constexpr std::string_view name = "bitwise_or";
  static constexpr std::string_view onnx = "BitwiseOr";
  static constexpr auto types = ops::Types::kInteger;
  template <typename T>
  requires std::is_integral_v<T> T operator()(T a, T b) const { return a | b; }
};

}  // namespace op_bitwise_or

const OpDef& bitwise_or_op() {
  using namespace op_bitwise_or;
  static const OpDef op = ops::binary_op<BitwiseOr>(18);
  return op;
}

}  // namespace ingot
