#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_add {

struct Add : ops::NoAttrs {
  static constexpr std::string_view name = "add";
  static constexpr std::string_view onnx = "Add";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return a + b;
    } else {
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));  // wraps
    }
  }
  static std::optional<Dim> dims(const Dim& a, const Dim& b) { return a + b; }
};

std::vector<int> import_mean(const OnnxNode& node, OpEmitter& emitter) {
  const int sum = ops::variadic_import<Add>(node, emitter)[0];
  const int count = ops::add_scalar_as(emitter, static_cast<double>(node.inputs.size()), sum);
  return {emitter.emit("div", {}, {sum, count})};
}

}  // namespace op_add

// y = a + b, broadcast.
const OpDef& add_op() {
  using namespace op_add;
  static const OpDef op = [] {
    OpDef def = ops::binary_op<Add>();
    def.onnx.push_back({"", "Sum", 8, &ops::variadic_import<Add>});
    def.onnx.push_back({"", "Mean", 8, &import_mean});
    return def;
  }();
  return op;
}

}  // namespace ingot
