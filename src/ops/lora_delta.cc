#include <algorithm>

#include "ops/contract/op_cost.h"

namespace ingot {
namespace op_lora_delta {

struct LoraDeltaAttrs {
  int64_t offset = 0;  // first output column that the adapter touches
  double scale = 1.0;
  template <typename V>
  void fields(V& v) {
    v("offset", offset);
    v("scale", scale);
  }
};

// Inputs: y[.., N], x[.., K], a[rank, K], b[rows, rank].
std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<LoraDeltaAttrs>(args.attrs, "ops/lora_delta");
  const ValueType& y = args.input(0);
  const ValueType& a = args.input(2);
  const ValueType& b = args.input(3);
  const ValueType& x = args.input(1);
  const bool matrices = a.shape.size() == 2 && b.shape.size() == 2 && !y.shape.empty() &&
                        y.shape.size() == x.shape.size() && y.shape.back().is_constant() &&
                        std::equal(y.shape.begin(), y.shape.end() - 1, x.shape.begin());
  const bool fits = matrices && a.shape[0] == b.shape[1] && a.shape[1] == x.shape.back() &&
                    is_constant(a.shape) && is_constant(b.shape) && attrs.offset >= 0 &&
                    attrs.offset <= y.shape.back().constant() - b.shape[0].constant();
  if (!fits) args.bad(fmt::format("a {} and b {} do not fit", type_text(a), type_text(b)));
  return {y};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<LoraDeltaAttrs>(args.attrs, "ops/lora_delta");
  const TensorView& x = args.inputs[1];
  const TensorView& a = args.inputs[2];
  const TensorView& b = args.inputs[3];
  const TensorView& y = args.outputs[0];
  const int64_t rank = a.shape[0];
  const int64_t rows = b.shape[0];
  std::vector<float> in(static_cast<size_t>(x.columns()));
  std::vector<float> weight(static_cast<size_t>(std::max(x.columns(), rank)));
  std::vector<float> low(static_cast<size_t>(rank));
  std::vector<float> out(static_cast<size_t>(rows));
  for (int64_t t = 0; t < x.rows(); ++t) {
    load_row(x, t, 0, x.columns(), in.data());
    for (int64_t r = 0; r < rank; ++r) {
      load_row(a, r, 0, x.columns(), weight.data());
      float sum = 0;
      for (size_t k = 0; k < in.size(); ++k) sum += in[k] * weight[k];
      low[static_cast<size_t>(r)] = sum * static_cast<float>(attrs.scale);
    }
    load_row(y, t, attrs.offset, rows, out.data());
    for (int64_t n = 0; n < rows; ++n) {
      load_row(b, n, 0, rank, weight.data());
      for (size_t r = 0; r < low.size(); ++r) out[static_cast<size_t>(n)] += low[r] * weight[r];
    }
    store_row(y, t, attrs.offset, rows, out.data());
  }
}

// x a^T, then that times b^T. Of y the columns count that the adapter touches, read and written.
OpCost cost(const CostArgs& args) {
  const CostOperand& y = args.inputs[0];
  const CostOperand &x = args.inputs[1], &a = args.inputs[2], &b = args.inputs[3];
  OpCost out = product_cost(args, 2 * x.rows() * (a.elements() + b.elements()));
  out.bytes += 2 * (y.bytes_of(y.rows() * b.rows()) - y.bytes());
  return out;
}

}  // namespace op_lora_delta

// y[.., offset : offset + rows] += scale * (x a^T) b^T, in place (Hu et al., "LoRA", 2021).
const OpDef& lora_delta_op() {
  using namespace op_lora_delta;
  static const OpDef op = {.name = "lora_delta",
                           .infer = infer,
                           .effects = {.aliases = {{0, 0}}},
                           .reference = reference,
                           .cost = cost};
  return op;
}

}  // namespace ingot
