#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_thresholded_relu {

struct ThresholdedRelu {
  static constexpr std::string_view name = "thresholded_relu";
  static constexpr std::string_view onnx = "ThresholdedRelu";
  static constexpr auto types = ops::Types::kFloat;
  double alpha = 1.0;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
  }
  double operator()(double x) const { return x > alpha ? x : 0.0; }
};

}  // namespace op_thresholded_relu

const OpDef& thresholded_relu_op() {
  using namespace op_thresholded_relu;
  static const OpDef op = ops::unary_op<ThresholdedRelu>(10);
  return op;
}

}  // namespace ingot
