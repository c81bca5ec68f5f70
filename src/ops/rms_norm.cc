#include <cmath>

#include "ops/contract/op_def.h"

namespace ingot {
namespace {

struct RmsNormAttrs {
  double epsilon = 1e-5;
  template <typename V>
  void fields(V& v) {
    v("epsilon", epsilon);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  read_attrs<RmsNormAttrs>(args.attrs, "ops/rms_norm");
  const ValueType& x = args.input(0);
  const ValueType& w = args.input(1);
  if (x.shape.empty() || w.shape.size() != 1 || !(w.shape[0] == x.shape.back())) {
    args.bad(fmt::format("weight {} does not fit input {}", type_text(w), type_text(x)));
  }
  return {x};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<RmsNormAttrs>(args.attrs, "ops/rms_norm");
  const TensorView& x = args.inputs[0];
  const int64_t n = x.columns();
  std::vector<float> row(static_cast<size_t>(n));
  std::vector<float> weight(static_cast<size_t>(n));
  load_row(args.inputs[1], 0, 0, n, weight.data());
  for (int64_t r = 0; r < x.rows(); ++r) {
    load_row(x, r, 0, n, row.data());
    double sum = 0;
    for (float v : row) sum += static_cast<double>(v) * v;
    const auto scale =
        static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(n) + attrs.epsilon));
    for (int64_t c = 0; c < n; ++c) {
      row[static_cast<size_t>(c)] *= scale * weight[static_cast<size_t>(c)];
    }
    store_row(args.outputs[0], r, 0, n, row.data());
  }
}

}  // namespace

// y = x / sqrt(mean(x^2) + epsilon) * weight along the last axis (Zhang & Sennrich, 2019).
const OpDef& rms_norm_op() {
  static const OpDef op = {
      .name = "rms_norm", .infer = infer, .reference = reference, .row_strided = true};
  return op;
}

}  // namespace ingot
