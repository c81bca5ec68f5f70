// y[i][j][k] = x[index[i][j][k]][j][k] along `axis`. An index out of range is an
// error.
#include "ops/contract/op_cost.h"
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_gather_elements {

struct GatherElementsAttrs {
  int64_t axis = 0;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_min_rank(args, 0, 1);
  ops::require_integer(args, 1);
  ops::require_rank(args, 1, args.input(0).shape.size());
  const auto a = read_attrs<GatherElementsAttrs>(args.attrs, "ops/gather_elements");
  const auto axis = ops::normalize_axis(args, a.axis, args.input(0).shape.size());
  const SymShape &x = args.input(0).shape, &index = args.input(1).shape;
  for (size_t d = 0; d < x.size(); ++d) {
    if (static_cast<int64_t>(d) == axis || !x[d].is_constant() || !index[d].is_constant()) continue;
    if (x[d] < index[d]) args.bad("the indices are wider than the data");
  }
  return {{args.input(0).element, index}};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const int64_t axis = ops::wrap_axis(
      read_attrs<GatherElementsAttrs>(args.attrs, "ops/gather_elements").axis, x.shape.size());
  const auto at_axis = static_cast<size_t>(axis);
  ops::check_inside(args.inputs[1].shape, x.shape, at_axis, "ops/gather_elements");
  std::array<std::vector<int64_t>, 1> strides = {ops::element_strides(x.shape)};
  const int64_t step = strides[0][at_axis], length = x.shape[at_axis];
  strides[0][at_axis] = 0;
  const ops::Elements<int64_t> index(args.inputs[1]);
  const ops::ElementMover mover(x, y);
  ops::walk(y.shape, strides, [&](int64_t i, const std::array<int64_t, 1>& at) {
    mover.move(i, at[0] + ops::wrap_index(index.get(i), length, "ops/gather_elements") * step);
  });
}

std::vector<int> import_gather_elements(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("gather_elements", ops::onnx_attrs<GatherElementsAttrs>(node),
                       {ops::onnx_required(node, 0), ops::onnx_required(node, 1)})};
}

}  // namespace op_gather_elements

const OpDef& gather_elements_op() {
  using namespace op_gather_elements;
  static const OpDef op = {.name = "gather_elements",
                           .onnx = {{"", "GatherElements", 11, &import_gather_elements}},
                           .infer = &infer,
                           .reference = &reference,
                           .cost = [](const CostArgs& args) { return picking_cost(args, 0); }};
  return op;
}

}  // namespace ingot
