// Repeats the tensor repeats[i] times along axis i.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_tile {

struct TileAttrs {
  std::vector<int64_t> repeats;
  template <typename V>
  void fields(V& v) {
    v("repeats", repeats);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ValueType out = args.input(0);
  const auto repeats = read_attrs<TileAttrs>(args.attrs, "ops/tile").repeats;
  if (repeats.size() != out.shape.size()) {
    args.bad(fmt::format("{} repeats for {}", repeats.size(), type_text(out)));
  }
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i] < 0) args.bad(fmt::format("repeat {} is negative", repeats[i]));
    out.shape[i] = out.shape[i] * Dim(repeats[i]);
  }
  return {out};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const std::vector<int64_t> out = ops::element_strides(y.shape),
                             in = ops::element_strides(x.shape);
  const ops::ElementMover mover(x, y);
  for (int64_t i = 0; i < y.elements(); ++i) {
    int64_t from = 0;
    for (size_t d = 0; d < out.size(); ++d) from += i / out[d] % y.shape[d] % x.shape[d] * in[d];
    mover.move(i, from);
  }
}

std::vector<int> import_tile(const OnnxNode& node, OpEmitter& emitter) {
  const auto repeats = ops::onnx_constant_ints(node, emitter, 1, "repeats");
  if (!repeats) node.unsupported("repeats are missing");
  return {emitter.emit("tile", {{"repeats", *repeats}}, {ops::onnx_required(node, 0)})};
}

}  // namespace op_tile

const OpDef& tile_op() {
  using namespace op_tile;
  static const OpDef op = {.name = "tile",
                           .onnx = {{"", "Tile", 6, &import_tile}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
