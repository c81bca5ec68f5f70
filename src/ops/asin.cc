#include "ops/shared/elementwise.h"

namespace ingot {
namespace {

struct Asin : ops::NoAttrs {
  static constexpr std::string_view name = "asin";
  static constexpr std::string_view onnx = "Asin";
  static constexpr auto types = ops::Types::kFloat;
  double operator()(double x) const { return std::asin(x); }
};

}  // namespace

const OpDef& asin_op() {
  static const OpDef op = ops::unary_op<Asin>(7);
  return op;
}

}  // namespace ingot
