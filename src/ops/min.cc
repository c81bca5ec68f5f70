#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_min {

struct Min : ops::NoAttrs {
  static constexpr std::string_view name = "min";
  static constexpr std::string_view onnx = "Min";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a || b != b) return a != a ? a : b;  // NaN wins
    return a < b ? a : b;
  }
  static std::optional<Dim> dims(const Dim& a, const Dim& b) { return Dim::min(a, b); }
};

}  // namespace op_min

const OpDef& min_op() {
  using namespace op_min;
  static const OpDef op = [] {
    OpDef def = ops::binary_op<Min>();
    def.onnx = {{"", "Min", 8, &ops::variadic_import<Min>}};
    return def;
  }();
  return op;
}

}  // namespace ingot
