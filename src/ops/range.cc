// start, start + delta, ... below limit, as int64. limit is a dimension as text, so that a sequence
// length can be one.
#include <cmath>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace op_range {

struct RangeAttrs {
  int64_t start = 0;
  std::string limit = "0";
  int64_t delta = 1;
  template <typename V>
  void fields(V& v) {
    v("start", start);
    v("limit", limit);
    v("delta", delta);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto a = read_attrs<RangeAttrs>(args.attrs, "ops/range");
  if (a.delta == 0) args.bad("delta is 0");
  Dim count = Dim::ceil_div(Dim::parse(a.limit) - Dim(a.start), Dim(a.delta));
  if (count.is_constant() && count.constant() < 0) count = 0;
  return {{DType::kInt64, {count}}};
}

void reference(const OpArgs& args) {
  const auto a = read_attrs<RangeAttrs>(args.attrs, "ops/range");
  for (int64_t i = 0; i < args.outputs[0].elements(); ++i) {
    store_index(args.outputs[0], i, a.start + i * a.delta);
  }
}

// Constant ranges of any type become constants; a symbolic limit needs int64.
std::vector<int> import_range(const OnnxNode& node, OpEmitter& emitter) {
  constexpr double kMaxConstant = 1 << 24;  // elements; a longer constant would be a weight
  for (size_t i = 1; i < 3; ++i) ops::onnx_required(node, i);
  const int start = ops::onnx_required(node, 0);
  const DType dtype = emitter.type(start).element.dtype;
  if (dtype == DType::kInt64) {
    const auto from = ops::onnx_shape_input(node, emitter, 0, "start");
    const auto to = ops::onnx_shape_input(node, emitter, 1, "limit");
    const auto delta = *ops::onnx_constant_ints(node, emitter, 2, "delta");
    if (from.size() != 1 || to.size() != 1 || delta.size() != 1 || !from[0].is_constant()) {
      node.unsupported("start is not a known constant");
    }
    return {emitter.emit(
        "range", {{"start", from[0].constant()}, {"limit", to[0].text()}, {"delta", delta[0]}},
        {})};
  }
  const auto from = *ops::onnx_constant_floats(node, emitter, 0, "start");
  const auto to = *ops::onnx_constant_floats(node, emitter, 1, "limit");
  const auto delta = *ops::onnx_constant_floats(node, emitter, 2, "delta");
  if (from.size() != 1 || to.size() != 1 || delta.size() != 1) node.unsupported("scalar inputs");
  const double count = std::fmax(std::ceil((to[0] - from[0]) / delta[0]), 0);
  if (!(count < kMaxConstant)) node.unsupported(fmt::format("a range of {} values", count));
  std::vector<std::byte> data(static_cast<size_t>(count) * dtype_size(dtype) + 1);
  const TensorView view{dtype, {static_cast<int64_t>(count)}, data.data()};
  for (int64_t i = 0; i < view.elements(); ++i) {
    ops::Elements<double>(view).put(i, from[0] + static_cast<double>(i) * delta[0]);
  }
  return {
      emitter.add_constant(dtype, view.shape, {data.data(), static_cast<size_t>(view.bytes())})};
}

}  // namespace op_range

const OpDef& range_op() {
  using namespace op_range;
  static const OpDef op = {.name = "range",
                           .onnx = {{"", "Range", 11, &import_range}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
