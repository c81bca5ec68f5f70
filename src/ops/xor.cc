#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_xor {

struct Xor : ops::NoAttrs {
  static constexpr std::string_view name = "xor";
  static constexpr std::string_view onnx = "Xor";
  static constexpr auto types = ops::Types::kBool;
  bool operator()(int64_t a, int64_t b) const { return (a != 0) != (b != 0); }
};

}  // namespace op_xor

const OpDef& xor_op() {
  using namespace op_xor;
  static const OpDef op = ops::binary_op<Xor>();
  return op;
}

}  // namespace ingot
