// Copy of x with y[index[i][j]][j] = update[i][j] along `axis`, in row-major order of the updates.
// An index out of range is an error.
#include "ops/shared/onnx_import.h"
#include "ops/shared/scatter.h"

namespace ingot {
namespace op_scatter_elements {

struct ScatterElementsAttrs {
  int64_t axis = 0;
  std::string reduction = "none";
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
    v("reduction", reduction);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_min_rank(args, 0, 1);
  ops::require_integer(args, 1);
  ops::require_same_type(args, 0, 2);
  const size_t rank = args.input(0).shape.size();
  ops::require_rank(args, 1, rank);
  const auto a = read_attrs<ScatterElementsAttrs>(args.attrs, "ops/scatter_elements");
  const int64_t axis = ops::normalize_axis(args, a.axis, rank);
  ops::check_reduction(args, a.reduction);
  if (!(args.input(1).shape == args.input(2).shape))
    args.bad("indices and updates differ in shape");
  for (size_t d = 0; d < rank; ++d) {
    const Dim &x = args.input(0).shape[d], &i = args.input(1).shape[d];
    if (static_cast<int64_t>(d) != axis && x.is_constant() && i.is_constant() && x < i) {
      args.bad("the indices are wider than the data");
    }
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &index = args.inputs[1], &y = args.outputs[0];
  const auto a = read_attrs<ScatterElementsAttrs>(args.attrs, "ops/scatter_elements");
  const auto axis = static_cast<size_t>(ops::wrap_axis(a.axis, x.shape.size()));
  ops::copy_elements(x, y);
  ops::check_inside(index.shape, x.shape, axis, "ops/scatter_elements");
  std::array<std::vector<int64_t>, 1> strides = {ops::element_strides(x.shape)};
  const int64_t step = strides[0][axis], length = x.shape[axis];
  strides[0][axis] = 0;
  const ops::Elements<int64_t> indices(index);
  ops::with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> updates(args.inputs[2]), out(y);
    ops::walk(index.shape, strides, [&](int64_t i, const std::array<int64_t, 1>& at) {
      const int64_t k = ops::wrap_index(indices.get(i), length, "ops/scatter_elements");
      const int64_t to = at[0] + k * step;
      out.put(to, ops::reduce_update(out.get(to), updates.get(i), a.reduction));
    });
  });
}

std::vector<int> import_scatter_elements(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(
      "scatter_elements", ops::onnx_attrs<ScatterElementsAttrs>(node),
      {ops::onnx_required(node, 0), ops::onnx_required(node, 1), ops::onnx_required(node, 2)})};
}

}  // namespace op_scatter_elements

const OpDef& scatter_elements_op() {
  using namespace op_scatter_elements;
  static const OpDef op = {.name = "scatter_elements",
                           .onnx = {{"", "ScatterElements", 11, &import_scatter_elements},
                                    {"", "Scatter", 9, &import_scatter_elements}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
