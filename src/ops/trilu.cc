// Keeps the upper (or lower) triangle of the last two axes, zero elsewhere; k moves the diagonal
// up.
#include <algorithm>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_trilu {

struct TriluAttrs {
  int64_t k = 0;
  int64_t upper = 1;
  template <typename V>
  void fields(V& v) {
    v("k", k);
    v("upper", upper);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_min_rank(args, 0, 2);
  read_attrs<TriluAttrs>(args.attrs, "ops/trilu");
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto a = read_attrs<TriluAttrs>(args.attrs, "ops/trilu");
  const int64_t columns = x.shape.back(), rows = x.shape[x.shape.size() - 2];
  const std::byte zero[8] = {};
  const ops::ElementMover mover(x, y);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t row = i / columns % rows, column = i % columns;
    if (a.upper ? column - row >= a.k : column - row <= a.k) {
      mover.move(i, i);
    } else {
      mover.fill(i, zero);
    }
  }
}

std::vector<int> import_trilu(const OnnxNode& node, OpEmitter& emitter) {
  constexpr int64_t kFar = int64_t{1} << 40;  // beyond any matrix
  ops::onnx_allow_attrs(node, {"upper"});
  const auto k = ops::onnx_constant_ints(node, emitter, 1, "k");
  const int64_t diagonal = k && !k->empty() ? std::clamp((*k)[0], -kFar, kFar) : 0;
  return {emitter.emit("trilu", {{"k", diagonal}, {"upper", ops::onnx_int(node, "upper", 1)}},
                       {ops::onnx_required(node, 0)})};
}

}  // namespace op_trilu

const OpDef& trilu_op() {
  using namespace op_trilu;
  static const OpDef op = {.name = "trilu",
                           .onnx = {{"", "Trilu", 14, &import_trilu}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
