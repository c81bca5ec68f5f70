#include <cstring>

#include "base/check.h"
#include "ops/contract/op_cost.h"

namespace ingot {
namespace op_gather {

struct GatherAttrs {
  int64_t axis = 0;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
  }
};

int64_t normalized(int64_t axis, size_t rank) {
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<GatherAttrs>(args.attrs, "ops/gather");
  const ValueType& x = args.input(0);
  const ValueType& indices = args.input(1);
  const int64_t axis = normalized(attrs.axis, x.shape.size());
  if (axis < 0 || axis >= static_cast<int64_t>(x.shape.size())) {
    args.bad(fmt::format("axis {} of {}", attrs.axis, type_text(x)));
  }
  if (x.element.is_block() || !is_integer(indices.element.dtype)) {
    args.bad(fmt::format("expected scalars and integer indices, found {} and {}", type_text(x),
                         type_text(indices)));
  }
  SymShape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  return {{x.element, std::move(shape)}};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<GatherAttrs>(args.attrs, "ops/gather");
  const TensorView& x = args.inputs[0];
  const TensorView& indices = args.inputs[1];
  const auto axis = static_cast<size_t>(normalized(attrs.axis, x.shape.size()));
  int64_t outer = 1;
  for (size_t d = 0; d < axis; ++d) outer *= x.shape[d];
  int64_t inner = 1;
  for (size_t d = axis + 1; d < x.shape.size(); ++d) inner *= x.shape[d];
  const int64_t bytes = x.type.bytes(inner);
  std::byte* dst = args.outputs[0].data;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < indices.elements(); ++i, dst += bytes) {
      int64_t index = load_index(indices, i);
      if (index < 0) index += x.shape[axis];
      if (index < 0 || index >= x.shape[axis]) {
        fail(ErrorCode::kInvalidArgument, "ops/gather", "expected index {} to {}, found {}",
             -x.shape[axis], x.shape[axis] - 1, load_index(indices, i));
      }
      std::memcpy(dst, x.data + (o * x.shape[axis] + index) * bytes, static_cast<size_t>(bytes));
    }
  }
}

std::optional<std::vector<Dim>> gather_dims(const DimsArgs& args) {
  const std::vector<Dim>*from = args.known(0), *indices = args.known(1);
  if (!from || !indices) return std::nullopt;
  const auto n = static_cast<int64_t>(from->size());
  std::vector<Dim> out;
  for (const Dim& index : *indices) {
    if (!index.is_constant()) return std::nullopt;
    const int64_t k = index.constant() < 0 ? index.constant() + n : index.constant();
    if (k < 0 || k >= n) return std::nullopt;
    out.push_back((*from)[static_cast<size_t>(k)]);
  }
  return out;
}

IndexInputs representative(const RepresentativeArgs& args) {
  const Shape& x = args.inputs[0];
  const int64_t axis = normalized(attr_or<int64_t>(args.attrs, "axis", 0), x.size());
  return {{1, spread_indices(element_count(args.inputs[1]), x.at(static_cast<size_t>(axis)))}};
}

}  // namespace op_gather

// Slices of x along an axis: out[.., indices.., ..] (ONNX Gather, packed input).
const OpDef& gather_op() {
  using namespace op_gather;
  static const OpDef op = {.name = "gather",
                           .onnx = {{"", "Gather", 1,
                                     [](const OnnxNode& node, OpEmitter& emitter) {
                                       return emitter.emit_many("gather", node.attrs, node.inputs,
                                                                1);
                                     }}},
                           .infer = infer,
                           .reference = reference,
                           .dims = gather_dims,
                           .representative = representative,
                           .cost = [](const CostArgs& args) { return picking_cost(args, 0); }};
  return op;
}

}  // namespace ingot
