// Convolution: x[N, C, spatial..] with w[M, C / groups, kernel..] and an optional bias[M].
// Accumulated in double.
#include "ops/contract/op_cost.h"
#include "ops/shared/element.h"
#include "ops/shared/window.h"

namespace ingot {
namespace op_conv {

struct ConvAttrs {
  std::vector<int64_t> strides, pads, dilations;
  int64_t groups = 1;
  template <typename V>
  void fields(V& v) {
    v("strides", strides);
    v("pads", pads);
    v("dilations", dilations);
    v("groups", groups);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  ops::require_same_type(args, 0, 1);
  ops::require_min_rank(args, 0, 3);
  const auto a = read_attrs<ConvAttrs>(args.attrs, "ops/conv");
  const SymShape &x = args.input(0).shape, &w = args.input(1).shape;
  ops::require_rank(args, 1, x.size());
  std::vector<int64_t> kernel;
  for (size_t d = 1; d < w.size(); ++d) {
    if (!w[d].is_constant()) args.bad("the weight's shape must be constant");
    if (d >= 2) kernel.push_back(w[d].constant());
  }
  const ops::WindowAttrs window =
      ops::checked_window(args, {kernel, a.strides, a.pads, a.dilations}, x.size() - 2);
  if (!w[0].is_constant() || !x[1].is_constant() || a.groups < 1 ||
      w[0].constant() % a.groups != 0 || x[1].constant() % a.groups != 0 ||
      x[1].constant() / a.groups != w[1].constant()) {
    args.bad(fmt::format("weight {} with {} groups does not fit input {}", shape_text(w), a.groups,
                         shape_text(x)));
  }
  if (args.inputs.size() > 2 && args.inputs[2] && !(args.inputs[2]->shape == SymShape{w[0]})) {
    args.bad(fmt::format("bias {} does not fit weight {}", shape_text(args.inputs[2]->shape),
                         shape_text(w)));
  }
  SymShape shape = {x[0], w[0]};
  for (size_t d = 0; d < kernel.size(); ++d) {
    shape.push_back(ops::window_count(args, window, d, x[d + 2], false));
  }
  return {{args.input(0).element, shape}};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  const auto a = read_attrs<ConvAttrs>(args.attrs, "ops/conv");
  const Shape spatial(x.shape.begin() + 2, x.shape.end()), out(y.shape.begin() + 2, y.shape.end());
  const Shape kernel(w.shape.begin() + 2, w.shape.end());
  const ops::WindowAttrs window =
      ops::with_defaults({kernel, a.strides, a.pads, a.dilations}, kernel.size());
  const std::vector<double> in = ops::read_all<double>(x), weight = ops::read_all<double>(w);
  std::vector<double> bias(static_cast<size_t>(w.shape[0]), 0.0);
  if (args.inputs.size() > 2 && args.inputs[2].present()) {
    bias = ops::read_all<double>(args.inputs[2]);
  }
  const ops::Elements<double> result(y);
  const int64_t taps = element_count(kernel), plane = element_count(spatial);
  const int64_t out_plane = element_count(out), channels = w.shape[1];
  const int64_t per_group = w.shape[0] / a.groups;
  std::vector<std::pair<int64_t, int64_t>> inside;
  ops::for_each_index(out, [&](int64_t o, const Shape& at) {
    inside.clear();
    ops::for_each_tap(window, spatial, at,
                      [&](int64_t tap, int64_t offset) { inside.emplace_back(tap, offset); });
    for (int64_t n = 0; n < x.shape[0]; ++n) {
      for (int64_t m = 0; m < w.shape[0]; ++m) {
        double sum = bias[static_cast<size_t>(m)];
        const double* block = in.data() + (n * x.shape[1] + m / per_group * channels) * plane;
        const double* filter = weight.data() + m * channels * taps;
        for (int64_t c = 0; c < channels; ++c) {
          for (const auto& [tap, offset] : inside) {
            sum += block[c * plane + offset] * filter[c * taps + tap];
          }
        }
        result.put((n * w.shape[0] + m) * out_plane + o, sum);
      }
    }
  });
}

std::vector<int> import_conv(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node,
                        {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
  const int x = ops::onnx_required(node, 0), w = ops::onnx_required(node, 1);
  std::vector<int64_t> kernel;
  const SymShape& shape = emitter.type(w).shape;
  for (size_t d = 2; d < shape.size(); ++d) {
    if (!shape[d].is_constant()) node.unsupported("a weight of symbolic shape");
    kernel.push_back(shape[d].constant());
  }
  const auto stated = ops::onnx_ints(node, "kernel_shape");
  if (stated && *stated != kernel) node.unsupported("kernel_shape differs from the weight");
  const ops::WindowAttrs window = ops::onnx_window(node, emitter.type(x).shape, kernel);
  ConvAttrs a{window.strides, window.pads, window.dilations, ops::onnx_int(node, "group", 1)};
  return {emitter.emit("conv", write_attrs(a), {x, w, ops::onnx_input(node, 2)})};
}

// Each element of y is a product with one filter, w[m]; taps in the padding count (Sze et al.,
// "Efficient Processing of Deep Neural Networks", 2017, section III.A).
OpCost cost(const CostArgs& args) {
  const CostOperand& w = args.inputs[1];
  const double filter = w.elements() / static_cast<double>(w.shape[0]);
  return product_cost(args, 2 * args.outputs[0].elements() * filter);
}

}  // namespace op_conv

const OpDef& conv_op() {
  using namespace op_conv;
  static const OpDef op = {.name = "conv",
                           .onnx = {{"", "Conv", 1, &import_conv}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &cost};
  return op;
}

}  // namespace ingot
