#include "ops/shared/window.h"

#include <algorithm>

namespace ingot::ops {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 31;

Dim span(const WindowAttrs& w, size_t axis) {
  return Dim(w.dilations[axis] * (w.kernel[axis] - 1) + 1);
}

}  // namespace

WindowAttrs with_defaults(WindowAttrs w, size_t spatial) {
  if (w.strides.empty()) w.strides.assign(spatial, 1);
  if (w.dilations.empty()) w.dilations.assign(spatial, 1);
  if (w.pads.empty()) w.pads.assign(2 * spatial, 0);
  return w;
}

WindowAttrs checked_window(const InferArgs& args, WindowAttrs window, size_t spatial) {
  WindowAttrs w = with_defaults(std::move(window), spatial);
  const auto check = [&](std::string_view what, const std::vector<int64_t>& values, size_t count,
                         int64_t least) {
    if (values.size() != count) {
      args.bad(fmt::format("{} {} for {} spatial axes", values.size(), what, spatial));
    }
    for (int64_t v : values) {
      if (v < least || v >= kMaxSize) args.bad(fmt::format("{} holds {}", what, v));
    }
  };
  check("kernel sizes", w.kernel, spatial, 1);
  check("strides", w.strides, spatial, 1);
  check("dilations", w.dilations, spatial, 1);
  check("pads", w.pads, 2 * spatial, 0);
  return w;
}

Dim window_count(const InferArgs& args, const WindowAttrs& w, size_t axis, const Dim& input,
                 bool ceil) {
  const size_t n = w.kernel.size();
  const Dim padded = input + Dim(w.pads[axis]) + Dim(w.pads[n + axis]) - span(w, axis);
  const Dim stride = w.strides[axis];
  if (padded.is_constant() && padded.constant() < 0) {
    args.bad(fmt::format("a window of {} does not fit axis {} of {} with its pads",
                         span(w, axis).text(), axis, input.text()));
  }
  if (!ceil) return Dim::floor_div(padded, stride) + Dim(1);
  // The last window must begin before the padding at the end.
  const Dim count = Dim::ceil_div(padded, stride) + Dim(1);
  const Dim begin = Dim::floor_div(input + Dim(w.pads[axis]) - Dim(1), stride) + Dim(1);
  const Dim gap = begin - count;
  if (gap.is_constant()) return gap.constant() < 0 ? begin : count;
  return Dim::min(count, begin);
}

std::vector<int64_t> onnx_pads(const OnnxNode& node, const WindowAttrs& w, const SymShape& input) {
  const size_t n = w.kernel.size();
  const std::string mode = onnx_string(node, "auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    return onnx_ints(node, "pads").value_or(std::vector<int64_t>(2 * n, 0));
  }
  std::vector<int64_t> pads(2 * n, 0);
  if (mode == "VALID") return pads;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") node.unsupported("auto_pad " + mode);
  if (w.strides.size() != n || w.dilations.size() != n || input.size() != n + 2) {
    node.unsupported("auto_pad with strides or dilations that do not fit the input");
  }
  for (size_t d = 0; d < n; ++d) {
    if (!input[d + 2].is_constant()) node.unsupported("auto_pad of a symbolic dimension");
    const int64_t size = input[d + 2].constant(), stride = w.strides[d];
    if (stride < 1) node.unsupported(fmt::format("stride {}", stride));
    const int64_t count = (size + stride - 1) / stride;
    const int64_t total = std::max<int64_t>(0, (count - 1) * stride + span(w, d).constant() - size);
    const int64_t small = total / 2;
    pads[d] = mode == "SAME_UPPER" ? small : total - small;
    pads[n + d] = total - pads[d];
  }
  return pads;
}

WindowAttrs onnx_window(const OnnxNode& node, const SymShape& input, std::vector<int64_t> kernel) {
  WindowAttrs w;
  w.kernel = std::move(kernel);
  for (int64_t k : w.kernel) {
    if (k < 1 || k >= kMaxSize) node.unsupported(fmt::format("kernel size {}", k));
  }
  w.strides = onnx_ints(node, "strides").value_or(std::vector<int64_t>());
  w.dilations = onnx_ints(node, "dilations").value_or(std::vector<int64_t>());
  for (int64_t d : w.dilations) {
    if (d < 1 || d >= kMaxSize) node.unsupported(fmt::format("dilation {}", d));
  }
  w = with_defaults(std::move(w), w.kernel.size());
  w.pads = onnx_pads(node, w, input);
  return w;
}

}  // namespace ingot::ops
