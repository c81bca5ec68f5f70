#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_or {

struct Or : ops::NoAttrs {
  static constexpr std::string_view name = "or";
  static constexpr std::string_view onnx = "Or";
  static constexpr auto types = ops::Types::kBool;
  bool operator()(int64_t a, int64_t b) const { return a || b; }
};

}  // namespace op_or

const OpDef& or_op() {
  using namespace op_or;
  static const OpDef op = ops::binary_op<Or>();
  return op;
}

}  // namespace ingot
