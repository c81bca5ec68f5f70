#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_selu {

// Defaults are those of the ONNX operator.
struct Selu {
  static constexpr std::string_view name = "selu";
  static constexpr std::string_view onnx = "Selu";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 1.67326319217681884765625;
  double gamma = 1.05070102214813232421875;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
    v("gamma", gamma);
  }
  double operator()(double x) const { return gamma * (x > 0 ? x : alpha * std::expm1(x)); }
};

}  // namespace op_selu

const OpDef& selu_op() {
  using namespace op_selu;
  static const OpDef op = ops::unary_op<Selu>();
  return op;
}

}  // namespace ingot
