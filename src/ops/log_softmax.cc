#include <algorithm>

#include "ops/shared/along_axis.h"

namespace ingot {
namespace op_log_softmax {

struct LogSoftmax {
  static constexpr std::string_view name = "log_softmax";
  static constexpr std::string_view onnx = "LogSoftmax";
  static void line(std::vector<double>& x) {
    if (x.empty()) return;
    const double top = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (double v : x) sum += std::exp(v - top);
    for (double& v : x) v -= top + std::log(sum);
  }
};

}  // namespace op_log_softmax

const OpDef& log_softmax_op() {
  using namespace op_log_softmax;
  static const OpDef op = ops::along_axis_op<LogSoftmax>();
  return op;
}

}  // namespace ingot
