#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_neg {

struct Neg : ops::NoAttrs {
  static constexpr std::string_view name = "neg";
  static constexpr std::string_view onnx = "Neg";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return -x;
    } else {
      return static_cast<T>(0 - static_cast<uint64_t>(x));  // wraps like the hardware
    }
  }
};

}  // namespace op_neg

const OpDef& neg_op() {
  using namespace op_neg;
  static const OpDef op = ops::unary_op<Neg>();
  return op;
}

}  // namespace ingot
