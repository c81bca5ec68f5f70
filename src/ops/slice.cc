// Strided cut along axes. starts may be negative (from the end) and are clamped; ends are
// dimensions as text so that a symbol can be one; 2^63 - 1 stands for the end, its negative for
// before the start.
#include <algorithm>
#include <limits>

#include "ops/contract/op_cost.h"
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_slice {

constexpr int64_t kFar = int64_t{1} << 40;  // beyond any tensor, far from overflow

struct SliceAttrs {
  std::vector<int64_t> axes;
  std::vector<int64_t> starts;
  std::vector<std::string> ends;
  std::vector<int64_t> steps;
  template <typename V>
  void fields(V& v) {
    v("axes", axes);
    v("starts", starts);
    v("ends", ends);
    v("steps", steps);
  }
};

// First index taken along a dimension of known length.
int64_t clamp_start(int64_t start, int64_t length, int64_t step) {
  if (start < 0) start += length;
  return step > 0 ? std::clamp<int64_t>(start, 0, length)
                  : std::clamp<int64_t>(start, 0, std::max<int64_t>(length - 1, 0));
}

Dim taken(const InferArgs& args, const Dim& length, int64_t start, const Dim& end, int64_t step) {
  if (length.is_constant() && end.is_constant()) {
    const int64_t n = length.constant();
    if (n == 0) return 0;
    const int64_t from = clamp_start(start, n, step);
    int64_t to = std::clamp(end.constant(), -kFar, kFar);
    if (to < 0) to += n;
    to = step > 0 ? std::clamp<int64_t>(to, 0, n) : std::clamp<int64_t>(to, -1, n - 1);
    const int64_t span = step > 0 ? to - from : from - to;
    const int64_t stride = std::abs(step);
    return span <= 0 ? 0 : (span + stride - 1) / stride;
  }
  if (step < 1) args.bad("a backward slice of a symbolic dimension");
  Dim to = end;
  if (end.is_constant()) {
    if (end.constant() >= kFar) {
      to = length;
    } else {
      to = end.constant() < 0 ? length + end : Dim::min(length, end);
    }
  }
  const Dim from = start < 0 ? length + Dim(start) : Dim(start);
  return Dim::ceil_div(to - from, Dim(step));
}

SliceAttrs checked(const InferArgs& args) {
  SliceAttrs a = read_attrs<SliceAttrs>(args.attrs, "ops/slice");
  const size_t n = a.axes.size();
  if (a.starts.size() != n || a.ends.size() != n || a.steps.size() != n) {
    args.bad("axes, starts, ends and steps differ in length");
  }
  for (size_t i = 0; i < n; ++i) {
    if (a.steps[i] == 0 || std::abs(a.steps[i]) > kFar || std::abs(a.starts[i]) > kFar) {
      args.bad(fmt::format("start {} step {}", a.starts[i], a.steps[i]));
    }
  }
  return a;
}

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  const SliceAttrs a = checked(args);
  ValueType out = args.input(0);
  std::vector<bool> seen(out.shape.size());
  for (size_t i = 0; i < a.axes.size(); ++i) {
    const auto axis = static_cast<size_t>(ops::normalize_axis(args, a.axes[i], out.shape.size()));
    if (seen[axis]) args.bad(fmt::format("axis {} is given twice", axis));
    seen[axis] = true;
    out.shape[axis] =
        taken(args, args.input(0).shape[axis], a.starts[i], Dim::parse(a.ends[i]), a.steps[i]);
  }
  return {out};
}

// Sizes are those that infer() gives for x's: the executor asks it again where symbols could
// differ.
void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const SliceAttrs a = read_attrs<SliceAttrs>(args.attrs, "ops/slice");
  std::array<std::vector<int64_t>, 1> strides = {ops::element_strides(x.shape)};
  const std::vector<int64_t> own = strides[0];
  int64_t base = 0;
  for (size_t i = 0; i < a.axes.size(); ++i) {
    const auto axis = static_cast<size_t>(ops::wrap_axis(a.axes[i], x.shape.size()));
    base += clamp_start(a.starts[i], x.shape[axis], a.steps[i]) * own[axis];
    strides[0][axis] = own[axis] * a.steps[i];
  }
  const ops::ElementMover mover(x, y);
  ops::walk(y.shape, strides,
            [&](int64_t i, const std::array<int64_t, 1>& at) { mover.move(i, base + at[0]); });
}

// One forward cut of a vector, with a constant end.
std::optional<std::vector<Dim>> dims(const DimsArgs& args) {
  const std::vector<Dim>* from = args.known(0);
  const auto a = read_attrs<SliceAttrs>(args.attrs, "ops/slice");
  if (!from || a.starts.size() != 1 || a.ends.size() != 1 || a.steps != std::vector<int64_t>{1}) {
    return std::nullopt;
  }
  const Dim end = Dim::parse(a.ends[0]);
  if (!end.is_constant()) return std::nullopt;
  const auto n = static_cast<int64_t>(from->size());
  const auto wrap = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + n : v, 0, n); };
  const int64_t begin = wrap(a.starts[0]), last = std::max(begin, wrap(end.constant()));
  return std::vector<Dim>(from->begin() + begin, from->begin() + last);
}

int64_t near(int64_t value) { return std::clamp(value, -kFar, kFar); }

std::vector<int> emit_slice(const OnnxNode& node, OpEmitter& emitter, SliceAttrs a) {
  if (a.axes.empty()) {
    for (size_t i = 0; i < a.starts.size(); ++i) a.axes.push_back(static_cast<int64_t>(i));
  }
  if (a.steps.empty()) a.steps.assign(a.starts.size(), 1);
  for (int64_t& start : a.starts) start = near(start);
  for (int64_t& step : a.steps) step = near(step);
  return {emitter.emit("slice", write_attrs(a), {ops::onnx_required(node, 0)})};
}

std::vector<int> import_10(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {});
  SliceAttrs a;
  const auto starts = ops::onnx_constant_ints(node, emitter, 1, "starts");
  if (!starts) node.unsupported("starts are missing");
  a.starts = *starts;
  for (const Dim& end : ops::onnx_shape_input(node, emitter, 2, "ends")) {
    a.ends.push_back(end.is_constant() ? Dim(near(end.constant())).text() : end.text());
  }
  if (auto axes = ops::onnx_constant_ints(node, emitter, 3, "axes")) a.axes = *axes;
  if (auto steps = ops::onnx_constant_ints(node, emitter, 4, "steps")) a.steps = *steps;
  return emit_slice(node, emitter, a);
}
// Everything as attributes.
std::vector<int> import_1(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axes", "starts", "ends"});
  SliceAttrs a;
  a.axes = ops::onnx_ints(node, "axes").value_or(std::vector<int64_t>());
  a.starts = ops::onnx_ints(node, "starts").value_or(std::vector<int64_t>());
  for (int64_t end : ops::onnx_ints(node, "ends").value_or(std::vector<int64_t>())) {
    a.ends.push_back(Dim(near(end)).text());
  }
  return emit_slice(node, emitter, a);
}

// Split: one slice for each part.
std::vector<int> import_split(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "split", "num_outputs"});
  const int x = ops::onnx_required(node, 0);
  const SymShape shape = emitter.type(x).shape;
  const int64_t axis = ops::onnx_axis(node, ops::onnx_int(node, "axis", 0), shape.size());
  const Dim& length = shape[static_cast<size_t>(axis)];
  const auto parts = static_cast<int64_t>(node.outputs);
  auto sizes = ops::onnx_ints(node, "split");
  if (!sizes) sizes = ops::onnx_constant_ints(node, emitter, 1, "split");
  if (!sizes) {
    if (!length.is_constant()) node.unsupported("equal parts of a symbolic dimension");
    const int64_t each = (length.constant() + parts - 1) / parts;
    sizes.emplace();
    for (int64_t i = 0; i < parts; ++i) {
      sizes->push_back(std::clamp<int64_t>(length.constant() - i * each, 0, each));
    }
  }
  int64_t total = 0;
  for (int64_t size : *sizes) {
    if (size < 0 || size > kFar) node.unsupported(fmt::format("a part of {}", size));
    total += size;
  }
  if (sizes->size() != node.outputs || (length.is_constant() && total != length.constant())) {
    node.unsupported(fmt::format("{} parts of {} elements in all, found {} of {}", sizes->size(),
                                 total, node.outputs, length.text()));
  }
  std::vector<int> out;
  int64_t begin = 0;
  for (int64_t size : *sizes) {
    SliceAttrs a{{axis}, {begin}, {Dim(begin + size).text()}, {1}};
    out.push_back(emitter.emit("slice", write_attrs(a), {x}));
    begin += size;
  }
  return out;
}

}  // namespace op_slice

const OpDef& slice_op() {
  using namespace op_slice;
  static const OpDef op = {.name = "slice",
                           .onnx = {{"", "Slice", 1, &import_1},
                                    {"", "Slice", 10, &import_10},
                                    {"", "Split", 2, &import_split}},
                           .infer = &infer,
                           .reference = &reference,
                           .dims = &dims,
                           .cost = [](const CostArgs& args) { return picking_cost(args, 0); }};
  return op;
}

}  // namespace ingot
