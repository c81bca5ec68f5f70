#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_and {

struct And : ops::NoAttrs {
  static constexpr std::string_view name = "and";
  static constexpr std::string_view onnx = "And";
  static constexpr auto types = ops::Types::kBool;
  bool operator()(int64_t a, int64_t b) const { return a && b; }
};

}  // namespace op_and

const OpDef& and_op() {
  using namespace op_and;
  static const OpDef op = ops::binary_op<And>();
  return op;
}

}  // namespace ingot
