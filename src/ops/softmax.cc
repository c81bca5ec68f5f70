#include <algorithm>

#include "ops/shared/along_axis.h"

namespace ingot {
namespace op_softmax {

struct Softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr std::string_view onnx = "Softmax";
  static void line(std::vector<double>& x) {
    if (x.empty()) return;
    const double top = *std::max_element(x.begin(), x.end());
    if (std::isinf(top) && top < 0) {  // all masked: nothing to attend to
      std::fill(x.begin(), x.end(), 0.0);
      return;
    }
    double sum = 0;
    for (double& v : x) sum += v = std::exp(v - top);
    for (double& v : x) v /= sum;
  }
};

}  // namespace op_softmax

const OpDef& softmax_op() {
  using namespace op_softmax;
  static const OpDef op = ops::along_axis_op<Softmax>();
  return op;
}

}  // namespace ingot
