#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_div {

// Integers truncate towards zero; an integer divided by 0 is an error.
struct Div : ops::NoAttrs {
  static constexpr std::string_view name = "div";
  static constexpr std::string_view onnx = "Div";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return a / b;
    } else {
      if (b == 0) fail(ErrorCode::kInvalidArgument, "ops/div", "integer {} divided by zero", a);
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return static_cast<T>(0 - static_cast<uint64_t>(a));
      }
      return a / b;
    }
  }
  // Truncating division equals floor where nothing is negative, as dimensions are not.
  static std::optional<Dim> dims(const Dim& a, const Dim& b) {
    if (!b.is_constant() || b.constant() <= 0 || (a.is_constant() && a.constant() < 0)) {
      return std::nullopt;
    }
    return Dim::floor_div(a, b);
  }
};

}  // namespace op_div

const OpDef& div_op() {
  using namespace op_div;
  static const OpDef op = ops::binary_op<Div>();
  return op;
}

}  // namespace ingot
