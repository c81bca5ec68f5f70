#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_equal {

struct Equal : ops::NoAttrs {
  static constexpr std::string_view name = "equal";
  static constexpr std::string_view onnx = "Equal";
  static constexpr auto types = ops::Types::kAny;
  static constexpr DType result = DType::kBool;
  template <typename T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};

}  // namespace op_equal

const OpDef& equal_op() {
  using namespace op_equal;
  static const OpDef op = ops::binary_op<Equal>();
  return op;
}

}  // namespace ingot
