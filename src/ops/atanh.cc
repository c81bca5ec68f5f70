#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_atanh {

struct Atanh : ops::NoAttrs {
  static constexpr std::string_view name = "atanh";
  static constexpr std::string_view onnx = "Atanh";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::atanh(x); }
};

}  // namespace op_atanh

const OpDef& atanh_op() {
  using namespace op_atanh;
  static const OpDef op = ops::unary_op<Atanh>(9);
  return op;
}

}  // namespace ingot
