#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_abs {

struct Abs : ops::NoAttrs {
  static constexpr std::string_view name = "abs";
  static constexpr std::string_view onnx = "Abs";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_same_v<T, double>) {
      return std::fabs(x);
    } else if constexpr (std::is_same_v<T, int64_t>) {
      return x < 0 ? static_cast<T>(0 - static_cast<uint64_t>(x)) : x;
    } else {
      return x;
    }
  }
};

}  // namespace op_abs

const OpDef& abs_op() {
  using namespace op_abs;
  static const OpDef op = ops::unary_op<Abs>();
  return op;
}

}  // namespace ingot
