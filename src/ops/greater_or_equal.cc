#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_greater_or_equal {

struct GreaterOrEqual : ops::NoAttrs {
  static constexpr std::string_view name = "greater_or_equal";
  static constexpr std::string_view onnx = "GreaterOrEqual";
  static constexpr auto types = ops::Types::kNumeric;
  static constexpr DType result = DType::kBool;
  template <typename T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};

}  // namespace op_greater_or_equal

const OpDef& greater_or_equal_op() {
  using namespace op_greater_or_equal;
  static const OpDef op = ops::binary_op<GreaterOrEqual>(12);
  return op;
}

}  // namespace ingot
