#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_not {

struct Not : ops::NoAttrs {
  static constexpr std::string_view name = "not";
  static constexpr std::string_view onnx = "Not";
  static constexpr auto types = ops::Types::kBool;
  bool operator()(int64_t x) const { return x == 0; }
};

}  // namespace op_not

const OpDef& not_op() {
  using namespace op_not;
  static const OpDef op = ops::unary_op<Not>();
  return op;
}

}  // namespace ingot
