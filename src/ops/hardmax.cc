#include <algorithm>

#include "ops/shared/along_axis.h"

namespace ingot {
namespace op_hardmax {

struct Hardmax {
  static constexpr std::string_view name = "hardmax";
  static constexpr std::string_view onnx = "Hardmax";
  static void line(std::vector<double>& x) {
    if (x.empty()) return;
    const auto best = std::max_element(x.begin(), x.end()) - x.begin();
    std::fill(x.begin(), x.end(), 0.0);
    x[static_cast<size_t>(best)] = 1;
  }
};

}  // namespace op_hardmax

const OpDef& hardmax_op() {
  using namespace op_hardmax;
  static const OpDef op = ops::along_axis_op<Hardmax>();
  return op;
}

}  // namespace ingot
