#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_prelu {

// b is the slope, broadcast to a.
struct Prelu : ops::NoAttrs {
  static constexpr std::string_view name = "prelu";
  static constexpr std::string_view onnx = "PRelu";
  static constexpr auto types = ops::Types::kFloat;
  template <typename T>
  T operator()(T a, T b) const {
    return a < T(0) ? static_cast<T>(a * b) : a;
  }
};

}  // namespace op_prelu

const OpDef& prelu_op() {
  using namespace op_prelu;
  static const OpDef op = ops::binary_op<Prelu>();
  return op;
}

}  // namespace ingot
