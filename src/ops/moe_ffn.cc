#include <algorithm>

#include "ops/contract/llm_args.h"
#include "ops/contract/op_cost.h"
#include "ops/shared/activation.h"
#include "ops/shared/moe_inputs.h"

namespace ingot {
namespace op_moe_ffn {

struct MoeFfnAttrs {
  std::string activation = "silu";
  template <typename V>
  void fields(V& v) {
    v("activation", activation);
  }
};

constexpr std::string_view kWhere = "ops/moe_ffn";

// Experts as a stack of matrices [experts, rows, columns].
const ValueType& stack(const InferArgs& args, size_t index) {
  const ValueType& type = args.input(index);
  const bool fits = type.shape.size() == 3 && type.shape[0].is_constant() &&
                    type.shape[1].is_constant() && type.shape[2].is_constant() &&
                    type.shape[0].constant() > 0 &&
                    (type.element.is_block() || is_float(type.element.dtype));
  if (!fits) {
    args.bad(fmt::format("input {}: expected weights [experts, rows, columns], found {}", index,
                         type_text(type)));
  }
  return type;
}

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<MoeFfnAttrs>(args.attrs, kWhere);
  if (!ops::find_activation(attrs.activation)) {
    args.bad(fmt::format("unknown activation '{}'", attrs.activation));
  }
  if (args.inputs.size() > kMoeUp + 1) {
    args.bad(fmt::format("expected at most {} inputs, found {}", kMoeUp + 1, args.inputs.size()));
  }
  const ValueType& x = token_matrix(args, kMoeX);
  const ValueType& ids = args.input(kMoeIds);
  const ValueType& weights = args.input(kMoeWeights);
  const bool routed = ids.element == ElementType(DType::kInt32) && ids.shape.size() == 2 &&
                      ids.shape[0] == x.shape[0] && ids.shape[1].is_constant() &&
                      ids.shape[1].constant() > 0 &&
                      weights.element == ElementType(DType::kFloat32) && weights.shape == ids.shape;
  if (!routed) {
    args.bad(fmt::format("ids {} and weights {} do not fit {}", type_text(ids), type_text(weights),
                         type_text(x)));
  }
  const ValueType& gate = stack(args, kMoeGate);
  const ValueType& down = stack(args, kMoeDown);
  const bool apart = args.inputs.size() > kMoeUp && args.inputs[kMoeUp];
  if (apart && !(stack(args, kMoeUp) == gate)) {
    args.bad(
        fmt::format("gate {} and up {} differ", type_text(gate), type_text(args.input(kMoeUp))));
  }
  const int64_t inner = down.shape[2].constant();
  if (!(gate.shape[0] == down.shape[0]) || !(gate.shape[1] == Dim(apart ? inner : 2 * inner)) ||
      !(gate.shape[2] == x.shape[1]) || !(down.shape[1] == x.shape[1])) {
    args.bad(fmt::format("gate {} and down {} do not fit {}", type_text(gate), type_text(down),
                         type_text(x)));
  }
  return {x};
}

// dst[n] = w[n] . x for all rows of one expert's matrix, given as rows [first, ...) of `stack`.
void multiply(const TensorView& stack, int64_t first, int64_t rows, const std::vector<float>& x,
              std::vector<float>& row, float* dst) {
  const auto columns = static_cast<int64_t>(x.size());
  row.resize(x.size());
  for (int64_t n = 0; n < rows; ++n) {
    load_row(stack, first + n, 0, columns, row.data());
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < x.size(); ++c) sum += x[c] * row[c];
    dst[n] = sum;
  }
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<MoeFfnAttrs>(args.attrs, kWhere);
  const ops::Activation activation = ops::find_activation(attrs.activation);
  const TensorView& x = args.inputs[kMoeX];
  const bool apart = args.inputs.size() > kMoeUp && args.inputs[kMoeUp].present();
  const int64_t hidden = x.columns();
  const int64_t experts = args.inputs[kMoeDown].shape[0], inner = args.inputs[kMoeDown].shape[2];
  const int64_t k = args.inputs[kMoeIds].shape[1];
  std::vector<float> token(static_cast<size_t>(hidden)), middle(static_cast<size_t>(inner));
  std::vector<float> both(static_cast<size_t>(2 * inner)), part(token.size()), row;
  std::vector<std::byte> rounded(static_cast<size_t>(x.type.bytes(inner)));
  const TensorView rounding{x.type, {1, inner}, rounded.data()};
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    load_row(x, t, 0, hidden, token.data());
    std::vector<float> sum(token.size(), 0.0f);
    for (int64_t j = 0; j < k; ++j) {
      const int64_t expert = load_index(args.inputs[kMoeIds], t * k + j);
      if (expert < 0 || expert >= experts) continue;
      const int64_t first = expert * (apart ? inner : 2 * inner);
      multiply(args.inputs[kMoeGate], first, inner, token, row, both.data());
      const TensorView& up = args.inputs[apart ? kMoeUp : kMoeGate];
      multiply(up, apart ? first : first + inner, inner, token, row, both.data() + inner);
      for (size_t i = 0; i < middle.size(); ++i) {
        middle[i] = activation(both[i]) * both[i + middle.size()];
      }
      store_row(rounding, 0, 0, inner, middle.data());
      load_row(rounding, 0, 0, inner, middle.data());
      multiply(args.inputs[kMoeDown], expert * hidden, hidden, middle, row, part.data());
      const auto weight = static_cast<float>(load_element(args.inputs[kMoeWeights], t * k + j));
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += weight * part[i];
    }
    store_row(args.outputs[0], t, 0, hidden, sum.data());
  }
}

// Every expert with about as many tokens.
IndexInputs representative(const RepresentativeArgs& args) {
  const int64_t experts = args.inputs[kMoeDown][0], k = args.inputs[kMoeIds][1];
  std::vector<int64_t> ids(static_cast<size_t>(args.inputs[kMoeIds][0] * k));
  // A token's experts follow one another; the next token's begin after them.
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i) % experts;
  return {{kMoeIds, std::move(ids)}};
}

// Three products for each of a token's experts. Of all experts' weights those count that the tokens
// may use at the most: no two share one.
OpCost cost(const CostArgs& args) {
  const CostOperand& down = args.inputs[kMoeDown];
  const double pairs = args.inputs[kMoeIds].elements();
  const auto experts = static_cast<double>(down.shape[0]);
  OpCost out = product_cost(args, 6 * pairs * down.elements() / experts);
  for (size_t i = kMoeGate; i < args.inputs.size(); ++i) {
    if (!args.inputs[i].present) continue;
    out.bytes -= args.inputs[i].bytes() * (1 - std::min(1.0, pairs / experts));
  }
  return out;
}

}  // namespace op_moe_ffn

// Gated feed-forward layers of a mixture of experts: x[tokens, hidden], ids int32[tokens, k],
// weights float32[tokens, k], gate[experts, inner, hidden], down[experts, hidden, inner] and
// up[experts, inner, hidden] -> y[tokens, hidden]. Without up, gate is [experts, 2 * inner, hidden]
// and holds an expert's gate rows, then its up rows. Weights may be of any element type.
//
// y[t] = sum over j of weights[t, j] * down_e (activation(gate_e x[t]) * (up_e x[t])), e = ids[t,
// j]. All in float32, but for what goes into down, which is rounded to x's type; the sum is in the
// order of j. Ids outside [0, experts) add nothing: padding, or experts that another rank has.
const OpDef& moe_ffn_op() {
  using namespace op_moe_ffn;
  static const OpDef op = {.name = "moe_ffn",
                           .infer = infer,
                           .reference = reference,
                           .row_strided = true,
                           .weight_pieces = true,
                           .heavy = true,
                           .representative = representative,
                           .cost = cost};
  return op;
}

}  // namespace ingot
