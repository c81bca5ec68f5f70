#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Not : ops::NoAttrs {
  static constexpr std::string_view name = "not";
  static constexpr std::string_view onnx = "Not";
  static constexpr auto types = ops::Types::kBool;
  bool operator()(int64_t x) const { return x == 0; }
};

}  // namespace

const OpDef& not_op() {
  static const OpDef op = ops::unary_op<Not>();
  return op;
}

}  // namespace ingot
