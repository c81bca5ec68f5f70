#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/contract/llm_args.h"

namespace ingot {
namespace op_moe_route {

struct MoeRouteAttrs {
  int64_t k = 0;                    // experts a token
  std::string scoring = "softmax";  // "softmax" over all experts, or "sigmoid" of each
  bool normalise = true;            // weights are divided by their sum
  double scale = 1.0;               // and multiplied by this at the end
  template <typename V>
  void fields(V& v) {
    v("k", k);
    v("scoring", scoring);
    v("normalise", normalise);
    v("scale", scale);
  }
};

constexpr std::string_view kWhere = "ops/moe_route";

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<MoeRouteAttrs>(args.attrs, kWhere);
  const ValueType& logits = token_matrix(args, 0);
  if (args.inputs.size() > 2) {
    args.bad(fmt::format("expected at most 2 inputs, found {}", args.inputs.size()));
  }
  if (attrs.scoring != "softmax" && attrs.scoring != "sigmoid") {
    args.bad(fmt::format("unknown scoring '{}'", attrs.scoring));
  }
  const Dim& experts = logits.shape[1];
  if (!experts.is_constant() || attrs.k < 1 || attrs.k > experts.constant()) {
    args.bad(fmt::format("cannot take {} experts of {}", attrs.k, type_text(logits)));
  }
  if (args.inputs.size() > 1 && args.inputs[1]) {
    const ValueType& bias = *args.inputs[1];
    if (bias.shape.size() != 1 || !(bias.shape[0] == experts) || !is_float(bias.element.dtype)) {
      args.bad(fmt::format("bias {} does not fit {}", type_text(bias), type_text(logits)));
    }
  }
  const SymShape shape = {logits.shape[0], Dim(attrs.k)};
  return {{DType::kInt32, shape}, {DType::kFloat32, shape}};
}

// The score of every expert of one token.
void score(const MoeRouteAttrs& attrs, std::vector<float>& values) {
  if (attrs.scoring == "sigmoid") {
    for (float& v : values) v = 1.0f / (1.0f + std::exp(-v));
    return;
  }
  float peak = -INFINITY;
  for (float v : values) peak = std::max(peak, v);
  float total = 0;
  for (float& v : values) total += v = std::exp(v - peak);
  for (float& v : values) v /= total;
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<MoeRouteAttrs>(args.attrs, kWhere);
  const TensorView& logits = args.inputs[0];
  const int64_t experts = logits.columns();
  const bool biased = args.inputs.size() > 1 && args.inputs[1].present();
  std::vector<float> bias(static_cast<size_t>(experts));
  if (biased) load_row(args.inputs[1], 0, 0, experts, bias.data());
  std::vector<float> scores(static_cast<size_t>(experts));
  std::vector<float> chosen_by(scores.size());
  std::vector<int64_t> order(scores.size());
  for (int64_t t = 0; t < logits.shape[0]; ++t) {
    load_row(logits, t, 0, experts, scores.data());
    chosen_by = scores;  // scores rise with logits; logits that differ a little still do
    score(attrs, scores);
    for (size_t e = 0; e < scores.size(); ++e) {
      if (biased) chosen_by[e] = scores[e] + bias[e];
      if (std::isnan(chosen_by[e])) chosen_by[e] = -INFINITY;
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return chosen_by[static_cast<size_t>(a)] > chosen_by[static_cast<size_t>(b)];
    });
    float total = 0;
    for (int64_t j = 0; j < attrs.k; ++j) {
      total += scores[static_cast<size_t>(order[static_cast<size_t>(j)])];
    }
    const float divisor = attrs.normalise && total != 0 ? total : 1.0f;
    for (int64_t j = 0; j < attrs.k; ++j) {
      const int64_t expert = order[static_cast<size_t>(j)];
      const float weight = scores[static_cast<size_t>(expert)] / divisor;
      store_index(args.outputs[0], t * attrs.k + j, expert);
      store_element(args.outputs[1], t * attrs.k + j, weight * static_cast<float>(attrs.scale));
    }
  }
}

}  // namespace op_moe_route

// The experts of each token of a mixture: logits[tokens, experts] and optionally bias[experts] ->
// ids int32[tokens, k] from the best, weights float32[tokens, k]. The k experts with the largest
// logits are chosen, or with a bias those with the largest score + bias, which their weights do not
// show; among equals the lowest id; NaN counts as the least, so ids are k different experts
// whatever the logits hold. Weights are scores, and NaN where the logits' scores are.
//
// Mixtral (Jiang et al. 2024) and Qwen3-MoE with norm_topk_prob: the defaults. Qwen2-MoE and
// Qwen3-MoE without it: normalise = false. DeepSeek-V3 with one group: sigmoid, bias, scale.
const OpDef& moe_route_op() {
  using namespace op_moe_route;
  static const OpDef op = {
      .name = "moe_route", .infer = infer, .reference = reference, .row_strided = true};
  return op;
}

}  // namespace ingot
