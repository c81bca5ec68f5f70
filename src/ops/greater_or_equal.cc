#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

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

}  // namespace

const OpDef& greater_or_equal_op() {
  static const OpDef op = ops::binary_op<GreaterOrEqual>(12);
  return op;
}

}  // namespace ingot
