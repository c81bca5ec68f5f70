// Transposed convolution: x[N, C, spatial..] with w[C, M / groups, kernel..] and an optional
// bias[M]. Each input element adds its scaled kernel to the output; accumulated in double.
#include <algorithm>

#include "ops/contract/op_cost.h"
#include "ops/shared/element.h"
#include "ops/shared/window.h"

namespace ingot {
namespace op_conv_transpose {

struct ConvTransposeAttrs {
  std::vector<int64_t> strides, pads, dilations, output_padding;
  int64_t groups = 1;
  template <typename V>
  void fields(V& v) {
    v("strides", strides);
    v("pads", pads);
    v("dilations", dilations);
    v("output_padding", output_padding);
    v("groups", groups);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  ops::require_same_type(args, 0, 1);
  ops::require_min_rank(args, 0, 3);
  const auto a = read_attrs<ConvTransposeAttrs>(args.attrs, "ops/conv_transpose");
  const SymShape &x = args.input(0).shape, &w = args.input(1).shape;
  ops::require_rank(args, 1, x.size());
  const size_t n = x.size() - 2;
  std::vector<int64_t> kernel;
  for (size_t d = 0; d < w.size(); ++d) {
    if (!w[d].is_constant()) args.bad("the weight's shape must be constant");
    if (d >= 2) kernel.push_back(w[d].constant());
  }
  const ops::WindowAttrs window =
      ops::checked_window(args, {kernel, a.strides, a.pads, a.dilations}, n);
  if (!x[1].is_constant() || !(x[1] == w[0]) || a.groups < 1 || w[0].constant() % a.groups != 0) {
    args.bad(fmt::format("weight {} with {} groups does not fit input {}", shape_text(w), a.groups,
                         shape_text(x)));
  }
  const Dim outputs = w[1] * Dim(a.groups);
  if (args.inputs.size() > 2 && args.inputs[2] && !(args.inputs[2]->shape == SymShape{outputs})) {
    args.bad("the bias does not fit the weight");
  }
  if (!a.output_padding.empty() && a.output_padding.size() != n) args.bad("output_padding");
  SymShape shape = {x[0], outputs};
  for (size_t d = 0; d < n; ++d) {
    const int64_t extra = a.output_padding.empty() ? 0 : a.output_padding[d];
    if (extra < 0 || extra >= std::max(window.strides[d], window.dilations[d])) {
      args.bad(fmt::format("output_padding {}", extra));
    }
    shape.push_back((x[d + 2] - Dim(1)) * Dim(window.strides[d]) + Dim(extra) +
                    Dim(window.dilations[d] * (kernel[d] - 1) + 1) - Dim(window.pads[d]) -
                    Dim(window.pads[n + d]));
    if (shape.back().is_constant() && shape.back().constant() < 1) args.bad("an empty output");
  }
  return {{args.input(0).element, shape}};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const auto a = read_attrs<ConvTransposeAttrs>(args.attrs, "ops/conv_transpose");
  const Shape spatial(x.shape.begin() + 2, x.shape.end()), out(y.shape.begin() + 2, y.shape.end());
  const Shape kernel(w.shape.begin() + 2, w.shape.end());
  // Seen from the output it is a window that walks over it, one position per input element.
  const ops::WindowAttrs window =
      ops::with_defaults({kernel, a.strides, a.pads, a.dilations}, kernel.size());
  const std::vector<double> in = ops::read_all<double>(x), weight = ops::read_all<double>(w);
  const int64_t taps = element_count(kernel), plane = element_count(spatial);
  const int64_t out_plane = element_count(out), channels = x.shape[1], outputs = y.shape[1];
  const int64_t in_group = channels / a.groups, out_group = outputs / a.groups;
  std::vector<double> sums(static_cast<size_t>(y.elements()), 0.0);
  if (args.inputs.size() > 2 && args.inputs[2].present()) {
    const std::vector<double> bias = ops::read_all<double>(args.inputs[2]);
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] = bias[i / static_cast<size_t>(out_plane) % bias.size()];
    }
  }
  ops::for_each_index(spatial, [&](int64_t i, const Shape& at) {
    ops::for_each_tap(window, out, at, [&](int64_t tap, int64_t offset) {
      for (int64_t n = 0; n < x.shape[0]; ++n) {
        for (int64_t c = 0; c < channels; ++c) {
          const double value = in[static_cast<size_t>((n * channels + c) * plane + i)];
          for (int64_t m = 0; m < out_group; ++m) {
            const int64_t to = n * outputs + c / in_group * out_group + m;
            sums[static_cast<size_t>(to * out_plane + offset)] +=
                value * weight[static_cast<size_t>((c * out_group + m) * taps + tap)];
          }
        }
      }
    });
  });
  ops::write_all(y, sums);
}

std::vector<int> import_conv_transpose(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"auto_pad", "dilations", "group", "kernel_shape", "output_padding",
                               "output_shape", "pads", "strides"});
  const int x = ops::onnx_required(node, 0), w = ops::onnx_required(node, 1);
  const SymShape &in = emitter.type(x).shape, &shape = emitter.type(w).shape;
  if (in.size() < 3 || shape.size() != in.size()) node.unsupported("input ranks");
  const size_t n = in.size() - 2;
  ConvTransposeAttrs a;
  a.groups = ops::onnx_int(node, "group", 1);
  a.strides = ops::onnx_ints(node, "strides").value_or(std::vector<int64_t>(n, 1));
  a.dilations = ops::onnx_ints(node, "dilations").value_or(std::vector<int64_t>(n, 1));
  a.output_padding = ops::onnx_ints(node, "output_padding").value_or(std::vector<int64_t>(n, 0));
  a.pads = ops::onnx_ints(node, "pads").value_or(std::vector<int64_t>(2 * n, 0));
  const std::string mode = ops::onnx_string(node, "auto_pad", "NOTSET");
  const auto wanted = ops::onnx_ints(node, "output_shape");
  if (a.strides.size() != n || a.dilations.size() != n || a.output_padding.size() != n ||
      a.pads.size() != 2 * n || (wanted && wanted->size() < n)) {
    node.unsupported("attributes that do not fit the rank");
  }
  for (size_t d = 0; d < n && (wanted || mode == "SAME_UPPER" || mode == "SAME_LOWER"); ++d) {
    if (!in[d + 2].is_constant() || !shape[d + 2].is_constant()) {
      node.unsupported("automatic pads of a symbolic dimension");
    }
    const int64_t size = in[d + 2].constant();
    const int64_t target = wanted ? (*wanted)[wanted->size() - n + d] : size * a.strides[d];
    const int64_t full = (size - 1) * a.strides[d] + a.output_padding[d] +
                         (shape[d + 2].constant() - 1) * a.dilations[d] + 1;
    const int64_t total = full - target;
    if (total < 0) {
      // Larger than the kernels reach: the rest is filled by output padding.
      a.output_padding[d] -= total;
      a.pads[d] = a.pads[n + d] = 0;
      continue;
    }
    a.pads[d] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    a.pads[n + d] = total - a.pads[d];
  }
  if (mode == "VALID") a.pads.assign(2 * n, 0);
  return {emitter.emit("conv_transpose", write_attrs(a), {x, w, ops::onnx_input(node, 2)})};
}

// Each element of x is multiplied with one kernel, w[c]; taps that padding cuts off count.
OpCost cost(const CostArgs& args) {
  const CostOperand& w = args.inputs[1];
  const double kernel = w.elements() / static_cast<double>(w.shape[0]);
  return product_cost(args, 2 * args.inputs[0].elements() * kernel);
}

}  // namespace op_conv_transpose

const OpDef& conv_transpose_op() {
  using namespace op_conv_transpose;
  static const OpDef op = {.name = "conv_transpose",
                           .onnx = {{"", "ConvTranspose", 1, &import_conv_transpose}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &cost};
  return op;
}

}  // namespace ingot
