#include <algorithm>

#include "ops/shared/along_axis.h"

namespace ingot {
namespace {

struct Softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr std::string_view onnx = "Softmax";
  static void line(std::vector<double>& x) {
    if (x.empty()) return;
    const double top = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (double& v : x) sum += v = std::exp(v - top);
    for (double& v : x) v /= sum;
  }
};

}  // namespace

const OpDef& softmax_op() {
  static const OpDef op = ops::along_axis_op<Softmax>();
  return op;
}

}  // namespace ingot
