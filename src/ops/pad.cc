// Pads (or, with negative pads, crops) each axis. pads holds all begins, then all ends. Inputs: x,
// optional scalar fill value. Modes: constant, reflect, edge, wrap.
#include <algorithm>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_pad {

struct PadAttrs {
  std::vector<int64_t> pads;
  std::string mode = "constant";
  template <typename V>
  void fields(V& v) {
    v("pads", pads);
    v("mode", mode);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ValueType out = args.input(0);
  const PadAttrs a = read_attrs<PadAttrs>(args.attrs, "ops/pad");
  const size_t rank = out.shape.size();
  if (a.pads.size() != 2 * rank) {
    args.bad(fmt::format("{} pads for {}", a.pads.size(), type_text(out)));
  }
  if (a.mode != "constant" && a.mode != "reflect" && a.mode != "edge" && a.mode != "wrap") {
    args.bad("mode " + a.mode);
  }
  if (args.inputs.size() > 1 && args.inputs[1]) {
    ops::require_same_type(args, 0, 1);
    if (!(element_count(args.input(1).shape) == Dim(1))) {
      args.bad(fmt::format("the fill value must be a scalar, got {}", type_text(args.input(1))));
    }
  }
  for (size_t i = 0; i < rank; ++i) {
    const Dim before = out.shape[i];
    out.shape[i] = before + Dim(a.pads[i]) + Dim(a.pads[rank + i]);
    if (out.shape[i].is_constant() && out.shape[i].constant() < 0) args.bad("pads crop too much");
    if (a.mode != "constant" && before == Dim(0) && !(out.shape[i] == before)) {
      args.bad("cannot extend an empty axis by mode " + a.mode);
    }
  }
  return {out};
}

// Index in [0, n) that position `at` (any integer) takes, or -1 for the fill value.
int64_t source(int64_t at, int64_t n, const std::string& mode) {
  if (at >= 0 && at < n) return at;
  if (mode == "constant" || n == 0) return -1;
  if (mode == "edge" || n == 1) return std::clamp<int64_t>(at, 0, n - 1);
  if (mode == "wrap") return ((at % n) + n) % n;
  const int64_t period = 2 * (n - 1);
  const int64_t phase = ((at % period) + period) % period;
  return phase < n ? phase : period - phase;
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const PadAttrs a = read_attrs<PadAttrs>(args.attrs, "ops/pad");
  const size_t rank = x.shape.size();
  const std::vector<int64_t> in = ops::element_strides(x.shape),
                             out = ops::element_strides(y.shape);
  const std::byte zero[8] = {};
  const std::byte* fill =
      args.inputs.size() > 1 && args.inputs[1].present() ? args.inputs[1].data : zero;
  const ops::ElementMover mover(x, y);
  for (int64_t i = 0; i < y.elements(); ++i) {
    int64_t from = 0;
    bool outside = false;
    for (size_t d = 0; d < rank && !outside; ++d) {
      const int64_t at = source(i / out[d] % y.shape[d] - a.pads[d], x.shape[d], a.mode);
      outside = at < 0;
      from += at * in[d];
    }
    if (outside) {
      mover.fill(i, fill);
    } else {
      mover.move(i, from);
    }
  }
}

std::vector<int> import_11(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"mode"});
  const int x = ops::onnx_required(node, 0);
  const size_t rank = ops::onnx_rank(emitter, x);
  const auto given = ops::onnx_constant_ints(node, emitter, 1, "pads");
  if (!given) node.unsupported("pads are missing");
  std::vector<int64_t> pads = *given;
  if (const auto axes = ops::onnx_constant_ints(node, emitter, 3, "axes")) {
    if (pads.size() != 2 * axes->size()) node.unsupported("pads and axes differ in length");
    pads.assign(2 * rank, 0);
    for (size_t i = 0; i < axes->size(); ++i) {
      const auto axis = static_cast<size_t>(ops::onnx_axis(node, (*axes)[i], rank));
      pads[axis] = (*given)[i];
      pads[rank + axis] = (*given)[axes->size() + i];
    }
  }
  return {emitter.emit("pad",
                       {{"pads", pads}, {"mode", ops::onnx_string(node, "mode", "constant")}},
                       {x, ops::onnx_input(node, 2)})};
}
std::vector<int> import_2(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"mode", "pads", "value"});
  const int x = ops::onnx_required(node, 0);
  const int fill = ops::add_scalar_as(emitter, ops::onnx_float(node, "value", 0), x);
  return {emitter.emit("pad",
                       {{"pads", ops::onnx_ints(node, "pads").value_or(std::vector<int64_t>())},
                        {"mode", ops::onnx_string(node, "mode", "constant")}},
                       {x, fill})};
}

}  // namespace op_pad

const OpDef& pad_op() {
  using namespace op_pad;
  static const OpDef op = {.name = "pad",
                           .onnx = {{"", "Pad", 2, &import_2}, {"", "Pad", 11, &import_11}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
