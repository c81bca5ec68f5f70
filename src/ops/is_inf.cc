#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_is_inf {

struct IsInf {
  static constexpr std::string_view name = "is_inf";
  static constexpr std::string_view onnx = "IsInf";
  static constexpr auto types = ops::Types::kFloat;
  static constexpr DType result = DType::kBool;
  int64_t detect_negative = 1;
  int64_t detect_positive = 1;
  template <typename V>
  void fields(V& v) {
    v("detect_negative", detect_negative);
    v("detect_positive", detect_positive);
  }
  bool operator()(double x) const {
    return std::isinf(x) && (x < 0 ? detect_negative != 0 : detect_positive != 0);
  }
};

}  // namespace op_is_inf

const OpDef& is_inf_op() {
  using namespace op_is_inf;
  static const OpDef op = ops::unary_op<IsInf>(10);
  return op;
}

}  // namespace ingot
