// Takes slices of x named by the last axis of the indices; batch_dims leading axes are paired up.
// An index out of range is an error.
#include "ops/contract/op_cost.h"
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_gather_nd {

struct GatherNdAttrs {
  int64_t batch_dims = 0;
  template <typename V>
  void fields(V& v) {
    v("batch_dims", batch_dims);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_integer(args, 1);
  ops::require_min_rank(args, 1, 1);
  const SymShape &x = args.input(0).shape, &index = args.input(1).shape;
  const int64_t batch = read_attrs<GatherNdAttrs>(args.attrs, "ops/gather_nd").batch_dims;
  if (!index.back().is_constant()) args.bad("the indices' last dimension must be constant");
  const int64_t depth = index.back().constant();
  const auto rank = static_cast<int64_t>(x.size());
  if (batch < 0 || batch >= static_cast<int64_t>(index.size()) || depth < 1 ||
      batch + depth > rank) {
    args.bad(fmt::format("indices {} with batch_dims {} do not fit {}", shape_text(index), batch,
                         shape_text(x)));
  }
  for (size_t d = 0; d < static_cast<size_t>(batch); ++d) {
    if (x[d].is_constant() && index[d].is_constant() && !(x[d] == index[d])) {
      args.bad(fmt::format("indices {} and data {} differ in their {} batch dimensions",
                           shape_text(index), shape_text(x), batch));
    }
  }
  SymShape shape(index.begin(), index.end() - 1);
  shape.insert(shape.end(), x.begin() + batch + depth, x.end());
  return {{args.input(0).element, shape}};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &index = args.inputs[1], &y = args.outputs[0];
  const auto batch =
      static_cast<size_t>(read_attrs<GatherNdAttrs>(args.attrs, "ops/gather_nd").batch_dims);
  const auto depth = static_cast<size_t>(index.shape.back());
  const std::vector<int64_t> strides = ops::element_strides(x.shape);
  int64_t batches = 1, run = 1;
  for (size_t d = 0; d < batch; ++d) batches *= x.shape[d];
  for (size_t d = batch + depth; d < x.shape.size(); ++d) run *= x.shape[d];
  const int64_t tuples = index.elements() / index.shape.back();
  if (y.elements() == 0) return;
  const int64_t per_batch = tuples / batches, batch_size = x.elements() / batches;
  const ops::Elements<int64_t> indices(index);
  const ops::ElementMover mover(x, y);
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t from = t / per_batch * batch_size;
    for (size_t d = 0; d < depth; ++d) {
      const int64_t length = x.shape[batch + d];
      const int64_t k =
          ops::wrap_index(indices.get(t * static_cast<int64_t>(depth) + static_cast<int64_t>(d)),
                          length, "ops/gather_nd");
      from += k * strides[batch + d];
    }
    for (int64_t i = 0; i < run; ++i) mover.move(t * run + i, from + i);
  }
}

std::vector<int> import_gather_nd(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("gather_nd", ops::onnx_attrs<GatherNdAttrs>(node),
                       {ops::onnx_required(node, 0), ops::onnx_required(node, 1)})};
}

}  // namespace op_gather_nd

const OpDef& gather_nd_op() {
  using namespace op_gather_nd;
  static const OpDef op = {.name = "gather_nd",
                           .onnx = {{"", "GatherND", 11, &import_gather_nd}},
                           .infer = &infer,
                           .reference = &reference,
                           .cost = [](const CostArgs& args) { return picking_cost(args, 0); }};
  return op;
}

}  // namespace ingot
