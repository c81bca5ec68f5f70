#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_elu {

struct Elu {
  static constexpr std::string_view name = "elu";
  static constexpr std::string_view onnx = "Elu";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 1.0;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  double operator()(double x) const { return x < 0 ? alpha * std::expm1(x) : x; }
};

}  // namespace op_elu

const OpDef& elu_op() {
  using namespace op_elu;
  static const OpDef op = ops::unary_op<Elu>();
  return op;
}

}  // namespace ingot
