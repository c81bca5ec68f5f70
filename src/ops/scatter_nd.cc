// Copy of x with slices replaced: y[indices[t]] = updates[t], in the order of t. An index
// out of range is an error.
#include "ops/shared/onnx_import.h"
#include "ops/shared/scatter.h"

namespace ingot {
namespace op_scatter_nd {

struct ScatterNdAttrs {
  std::string reduction = "none";
  template <typename V>
  void fields(V& v) {
    v("reduction", reduction);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_integer(args, 1);
  ops::require_min_rank(args, 1, 1);
  ops::require_same_type(args, 0, 2);
  ops::check_reduction(args, read_attrs<ScatterNdAttrs>(args.attrs, "ops/scatter_nd").reduction);
  const SymShape &x = args.input(0).shape, &index = args.input(1).shape;
  if (!index.back().is_constant() || index.back().constant() < 1 ||
      index.back().constant() > static_cast<int64_t>(x.size())) {
    args.bad(fmt::format("indices {} do not name slices of {}", shape_text(index), shape_text(x)));
  }
  SymShape updates(index.begin(), index.end() - 1);
  updates.insert(updates.end(), x.begin() + index.back().constant(), x.end());
  if (is_constant(updates) && is_constant(args.input(2).shape) &&
      !(updates == args.input(2).shape)) {
    args.bad(fmt::format("updates must be {}, got {}", shape_text(updates),
                         shape_text(args.input(2).shape)));
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &index = args.inputs[1], &y = args.outputs[0];
  const auto a = read_attrs<ScatterNdAttrs>(args.attrs, "ops/scatter_nd");
  ops::copy_elements(x, y);
  const std::vector<int64_t> strides = ops::element_strides(x.shape);
  const int64_t depth = index.shape.back();
  const int64_t run = strides[static_cast<size_t>(depth - 1)];
  const ops::Elements<int64_t> indices(index);
  ops::with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> updates(args.inputs[2]), out(y);
    for (int64_t t = 0; t < index.elements() / depth; ++t) {
      int64_t to = 0;
      for (int64_t d = 0; d < depth; ++d) {
        const int64_t length = x.shape[static_cast<size_t>(d)];
        const int64_t k = ops::wrap_index(indices.get(t * depth + d), length, "ops/scatter_nd");
        to += k * strides[static_cast<size_t>(d)];
      }
      for (int64_t i = 0; i < run; ++i) {
        out.put(to + i, ops::reduce_update(out.get(to + i), updates.get(t * run + i), a.reduction));
      }
    }
  });
}

std::vector<int> import_scatter_nd(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(
      "scatter_nd", ops::onnx_attrs<ScatterNdAttrs>(node),
      {ops::onnx_required(node, 0), ops::onnx_required(node, 1), ops::onnx_required(node, 2)})};
}

}  // namespace op_scatter_nd

const OpDef& scatter_nd_op() {
  using namespace op_scatter_nd;
  static const OpDef op = {.name = "scatter_nd",
                           .onnx = {{"", "ScatterND", 11, &import_scatter_nd}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
