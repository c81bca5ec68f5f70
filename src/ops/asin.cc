#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_asin {

struct Asin : ops::NoAttrs {
  static constexpr std::string_view name = "asin";
  static constexpr std::string_view onnx = "Asin";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::asin(x); }
};

}  // namespace op_asin

const OpDef& asin_op() {
  using namespace op_asin;
  static const OpDef op = ops::unary_op<Asin>(7);
  return op;
}

}  // namespace ingot
