#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_less_or_equal {

struct LessOrEqual : ops::NoAttrs {
  static constexpr std::string_view name = "less_or_equal";
  static constexpr std::string_view onnx = "LessOrEqual";
  static constexpr auto types = ops::Types::kNumeric;
  static constexpr DType result = DType::kBool;
  template <typename T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};

}  // namespace op_less_or_equal

const OpDef& less_or_equal_op() {
  using namespace op_less_or_equal;
  static const OpDef op = ops::binary_op<LessOrEqual>(12);
  return op;
}

}  // namespace ingot
