#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

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

}  // namespace

const OpDef& greater_op() {
  static const OpDef op = ops::binary_op<Greater>();
  return op;
}

}  // namespace ingot
