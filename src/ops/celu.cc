#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_celu {

struct Celu {
  static constexpr std::string_view name = "celu";
  static constexpr std::string_view onnx = "Celu";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 1.0;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  double operator()(double x) const {
    return std::fmax(0.0, x) + std::fmin(0.0, alpha * std::expm1(x / alpha));
  }
};

}  // namespace op_celu

const OpDef& celu_op() {
  using namespace op_celu;
  static const OpDef op = ops::unary_op<Celu>(12);
  return op;
}

}  // namespace ingot
