#include "ops/contract/llm_args.h"
#include "ops/contract/op_cost.h"
#include "ops/shared/linear_inputs.h"

namespace ingot {
namespace op_linear {

struct LinearAttrs {
  std::string dtype;  // element type of the output; "" = the input's
  template <typename V>
  void fields(V& v) {
    v("dtype", dtype);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<LinearAttrs>(args.attrs, "ops/linear");
  ops::check_linear_inputs(args);
  const ValueType& x = args.input(0);
  SymShape shape = x.shape;
  shape.back() = args.input(1).shape[0];
  return {{named_type(attrs.dtype, x.element), std::move(shape)}};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const TensorView& w = args.inputs[1];
  const TensorView& out = args.outputs[0];
  const bool has_bias = args.inputs.size() > 2 && args.inputs[2].present();
  const int64_t k = x.columns();
  const int64_t n = w.shape[0];
  const int64_t m = x.rows();
  std::vector<float> rows(static_cast<size_t>(m * k));
  for (int64_t i = 0; i < m; ++i) load_row(x, i, 0, k, rows.data() + i * k);
  std::vector<float> bias(static_cast<size_t>(n), 0.0f);
  if (has_bias) load_row(args.inputs[2], 0, 0, n, bias.data());
  std::vector<float> weight(static_cast<size_t>(k));
  for (int64_t j = 0; j < n; ++j) {
    load_row(w, j, 0, k, weight.data());
    for (int64_t i = 0; i < m; ++i) {
      const float* row = rows.data() + i * k;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < k; ++c) sum += row[c] * weight[static_cast<size_t>(c)];
      sum += bias[static_cast<size_t>(j)];
      store_row(out, i, j, 1, &sum);
    }
  }
}

// Each element of y is a product of K terms.
OpCost cost(const CostArgs& args) {
  return product_cost(args, 2 * args.outputs[0].elements() * args.inputs[0].columns());
}

}  // namespace op_linear

// y[.., N] = x[.., K] * w[N, K]^T + bias[N], accumulated in float32. The weight may be of any
// element type; block formats are decoded, never re-rounded.
const OpDef& linear_op() {
  using namespace op_linear;
  static const OpDef op = {.name = "linear",
                           .infer = infer,
                           .reference = reference,
                           .row_strided = true,
                           .weight_pieces = true,
                           .heavy = true,
                           .cost = cost};
  return op;
}

}  // namespace ingot
