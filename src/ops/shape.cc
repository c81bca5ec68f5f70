// The input's dimensions [start, end) as int64.
#include <algorithm>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace op_shape {

struct ShapeAttrs {
  int64_t start = 0;
  int64_t end = int64_t{1} << 40;  // the rank
  template <typename V>
  void fields(V& v) {
    v("start", start);
    v("end", end);
  }
};

std::pair<int64_t, int64_t> range_of(const Attrs& attrs, size_t rank) {
  const auto a = read_attrs<ShapeAttrs>(attrs, "ops/shape");
  const auto n = static_cast<int64_t>(rank);
  const auto wrap = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + n : at, 0, n); };
  const int64_t begin = wrap(a.start), end = wrap(a.end);
  return {begin, std::max(begin, end)};
}

std::vector<ValueType> infer(const InferArgs& args) {
  const auto [begin, end] = range_of(args.attrs, args.input(0).shape.size());
  return {{DType::kInt64, {Dim(end - begin)}}};
}

void reference(const OpArgs& args) {
  const Shape& shape = args.inputs[0].shape;
  const auto [begin, end] = range_of(args.attrs, shape.size());
  for (int64_t i = begin; i < end; ++i) {
    store_index(args.outputs[0], i - begin, shape[static_cast<size_t>(i)]);
  }
}

std::optional<std::vector<Dim>> dims(const DimsArgs& args) {
  const SymShape& shape = args.inputs[0]->shape;
  const auto [begin, end] = range_of(args.attrs, shape.size());
  return std::vector<Dim>(shape.begin() + begin, shape.begin() + end);
}

std::vector<int> import_shape(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("shape", ops::onnx_attrs<ShapeAttrs>(node), {ops::onnx_required(node, 0)})};
}

}  // namespace op_shape

const OpDef& shape_op() {
  using namespace op_shape;
  static const OpDef op = {.name = "shape",
                           .onnx = {{"", "Shape", 1, &import_shape}},
                           .infer = &infer,
                           .reference = &reference,
                           .host_only = true,
                           .shape_only = true,
                           .dims = &dims};
  return op;
}

}  // namespace ingot
