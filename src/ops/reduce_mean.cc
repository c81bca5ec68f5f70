#include "ops/shared/reduce.h"

namespace ingot {
namespace op_reduce_mean {

struct ReduceMean {
  static constexpr std::string_view name = "reduce_mean";
  static constexpr std::string_view onnx = "ReduceMean";
  static constexpr auto types = ops::Types::kNumeric;
  template <typename T>
  static T start(T, DType) {
    return T(0);
  }
  template <typename S, typename T>
  static void step(S& s, T x) {
    if constexpr (std::is_floating_point_v<S>) {
      s += x;
    } else {
      s = static_cast<S>(static_cast<uint64_t>(s) + static_cast<uint64_t>(x));  // wraps
    }
  }
  template <typename S>
  static auto finish(S s, int64_t n) {
    if constexpr (std::is_floating_point_v<S>) {
      return s / static_cast<S>(n);
    } else {
      return n == 0 ? S(0) : static_cast<S>(s / static_cast<S>(n));
    }
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
  return {emitter.emit("reduce_mean", write_attrs(attrs), {x})};
}

}  // namespace op_reduce_mean

const OpDef& reduce_mean_op() {
  using namespace op_reduce_mean;
  static const OpDef op = [] {
    OpDef def = ops::reduce_op<ReduceMean>();
    def.onnx.push_back({"", "GlobalAveragePool", 1, &import_global});
    return def;
  }();
  return op;
}

}  // namespace ingot
