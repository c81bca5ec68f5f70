#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_greater {

struct Greater : ops::NoAttrs {
  static constexpr std::string_view name = "greater";
  static constexpr std::string_view onnx = "Greater";
  static constexpr auto types = ops::Types::kNumeric;
  static constexpr DType result = DType::kBool;
  template <typename T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};

}  // namespace op_greater

const OpDef& greater_op() {
  using namespace op_greater;
  static const OpDef op = ops::binary_op<Greater>();
  return op;
}

}  // namespace ingot
