#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_shrink {

struct Shrink {
  static constexpr std::string_view name = "shrink";
  static constexpr std::string_view onnx = "Shrink";
  static constexpr auto types = ops::Types::kNumeric;
  double bias = 0.0;
  double lambd = 0.5;
  template <typename V>
  void fields(V& v) {
    v("bias", bias);
    v("lambd", lambd);
  }
  double operator()(double x) const { return x < -lambd ? x + bias : x > lambd ? x - bias : 0.0; }
};

}  // namespace op_shrink

const OpDef& shrink_op() {
  using namespace op_shrink;
  static const OpDef op = ops::unary_op<Shrink>(9);
  return op;
}

}  // namespace ingot
