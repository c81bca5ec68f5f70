#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_max {

// A NaN stays: no number compares larger than it.
struct ReduceMax {
  static constexpr std::string_view name = "reduce_max";
  static constexpr std::string_view onnx = "ReduceMax";
  static constexpr auto types = ops::Types::kAny;
  template <typename T>
  static T start(T, DType dtype) {
    return ops::lowest<T>(dtype);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if (x > s || x != x) s = x;
  }
  template <typename S>
  static auto finish(S s, int64_t) {
    return s;
  }
};

// Global pooling: every axis after [N, C].
std::vector<int> import_global(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {});
  const int x = ops::onnx_required(node, 0);
  ops::ReduceAttrs attrs;
  for (size_t d = 2; d < ops::onnx_rank(emitter, x); ++d) {
    attrs.axes.push_back(static_cast<int64_t>(d));
  }
  return {emitter.emit("reduce_max", write_attrs(attrs), {x})};
}

}  // namespace op_reduce_max

const OpDef& reduce_max_op() {
  using namespace op_reduce_max;
  static const OpDef op = [] {
    OpDef def = ops::reduce_op<ReduceMax>();
    def.onnx.push_back({"", "GlobalMaxPool", 1, &import_global});
    return def;
  }();
  return op;
}

}  // namespace ingot
