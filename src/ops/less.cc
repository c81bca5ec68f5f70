#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_less {

struct Less : ops::NoAttrs {
  static constexpr std::string_view name = "less";
  static constexpr std::string_view onnx = "Less";
  static constexpr auto types = ops::Types::kNumeric;
  static constexpr DType result = DType::kBool;
  template <typename T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};

}  // namespace op_less

const OpDef& less_op() {
  using namespace op_less;
  static const OpDef op = ops::binary_op<Less>();
  return op;
}

}  // namespace ingot
