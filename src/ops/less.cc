#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

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

}  // namespace

const OpDef& less_op() {
  static const OpDef op = ops::binary_op<Less>();
  return op;
}

}  // namespace ingot
