#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_gelu {

// x * Phi(x); "tanh" is the approximation 0.5x(1 + tanh(sqrt(2/pi)(x + 0.044715x^3))).
struct Gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr std::string_view onnx = "Gelu";
  static constexpr auto types = ops::Types::kFloat;
  std::string approximate = "none";
  template <typename V>
  void fields(V& v) {
    v("approximate", approximate);
  }
  double operator()(double x) const {
    if (approximate == "tanh") {
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    }
    return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const std::string kind = read_attrs<Gelu>(args.attrs, "ops/gelu").approximate;
  if (kind != "none" && kind != "tanh") args.bad("approximate must be none or tanh, got " + kind);
  return ops::unary_infer<Gelu>(args);
}

}  // namespace op_gelu

const OpDef& gelu_op() {
  using namespace op_gelu;
  static const OpDef op = [] {
    OpDef def = ops::unary_op<Gelu>(20);
    def.infer = &infer;
    def.row_strided = true;
    return def;
  }();
  return op;
}

}  // namespace ingot
