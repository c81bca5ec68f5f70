// Local response normalization over `size` neighbouring channels (Krizhevsky et al., 2012):
// x / (bias + alpha / size * sum of squares)^beta.
#include <algorithm>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_lrn {

struct LrnAttrs {
  double alpha = 0.0001;
  double beta = 0.75;
  double bias = 1.0;
  int64_t size = 1;
  template <typename V>
  void fields(V& v) {
    v("alpha", alpha);
    v("beta", beta);
    v("bias", bias);
    v("size", size);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  ops::require_min_rank(args, 0, 2);
  if (read_attrs<LrnAttrs>(args.attrs, "ops/lrn").size < 1) args.bad("size must be 1 or more");
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<LrnAttrs>(args.attrs, "ops/lrn");
  const ops::AxisSplit s = ops::split_at(x.shape, 1);
  const ops::Elements<double> in(x), out(args.outputs[0]);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t c = i / s.inner % s.length, base = i - c * s.inner;
    const int64_t begin = std::max<int64_t>(0, c - (a.size - 1) / 2);
    const int64_t end = std::min(s.length - 1, c + a.size / 2);
    double sum = 0;
    for (int64_t k = begin; k <= end; ++k) {
      const double value = in.get(base + k * s.inner);
      sum += value * value;
    }
    out.put(i, in.get(i) / std::pow(a.bias + a.alpha / static_cast<double>(a.size) * sum, a.beta));
  }
}

std::vector<int> import_lrn(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("lrn", ops::onnx_attrs<LrnAttrs>(node), {ops::onnx_required(node, 0)})};
}

}  // namespace op_lrn

const OpDef& lrn_op() {
  using namespace op_lrn;
  static const OpDef op = {.name = "lrn",
                           .onnx = {{"", "LRN", 1, &import_lrn}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
