#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_max {

struct Max : ops::NoAttrs {
  static constexpr std::string_view name = "max";
  static constexpr std::string_view onnx = "Max";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a || b != b) return a != a ? a : b;  // NaN wins
    return a > b ? a : b;
  }
  static std::optional<Dim> dims(const Dim& a, const Dim& b) { return Dim::max(a, b); }
};

}  // namespace op_max

const OpDef& max_op() {
  using namespace op_max;
  static const OpDef op = [] {
    OpDef def = ops::binary_op<Max>();
    def.onnx = {{"", "Max", 8, &ops::variadic_import<Max>}};
    return def;
  }();
  return op;
}

}  // namespace ingot
