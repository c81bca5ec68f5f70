#include <algorithm>

#include "ops/contract/fusion.h"
#include "ops/contract/op_cost.h"
#include "ops/shared/activation.h"
#include "ops/shared/linear_inputs.h"

namespace ingot {
namespace op_gated_linear {

struct GatedLinearAttrs {
  std::string activation = "silu";
  template <typename V>
  void fields(V& v) {
    v("activation", activation);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<GatedLinearAttrs>(args.attrs, "ops/gated_linear");
  if (!ops::find_activation(attrs.activation)) {
    args.bad(fmt::format("unknown activation '{}'", attrs.activation));
  }
  ops::check_linear_inputs(args);
  const ValueType& x = args.input(0);
  const ValueType& w = args.input(1);
  const int64_t rows = w.shape[0].is_constant() ? w.shape[0].constant() : 0;
  if (rows == 0 || rows % 2 != 0) {
    args.bad(fmt::format("weight {} has no halves for gate and up", type_text(w)));
  }
  SymShape shape = x.shape;
  shape.back() = rows / 2;
  return {{x.element, std::move(shape)}};
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
  const int64_t n = emitter.type(inputs[1]).shape[0].constant() / 2;
  const int both = emitter.emit("linear", {}, {inputs.begin(), inputs.end()});
  const Attrs halves = {{"widths", std::vector<int64_t>{n, n}}};
  return {emitter.emit("act_mul", attrs, emitter.emit_many("split_columns", halves, {both}, 2))};
}

// linear -> split_columns in halves -> act_mul, as models and merge_linears leave them.
std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  const StepSource::Step act_mul = steps.step(last);
  if (act_mul.op != "act_mul") return {};
  const auto halves = steps.producer(act_mul.inputs[0]);
  if (!halves || steps.step(*halves).op != "split_columns") return {};
  const StepSource::Step split = steps.step(*halves);
  if (!std::ranges::equal(split.outputs, act_mul.inputs)) return {};
  const int both = split.inputs[0];
  const auto product = steps.producer(both);
  if (!product || steps.readers(both) != 1) return {};
  for (int half : split.outputs) {
    if (steps.readers(half) != 1) return {};
  }
  const StepSource::Step linear = steps.step(*product);
  if (linear.op != "linear" || !steps.is_weight(linear.inputs[1])) return {};
  if (!(steps.type(linear.inputs[0]).element == steps.type(both).element)) return {};
  return FusionMatch{{{"gated_linear",
                       act_mul.attrs,
                       {linear.inputs.begin(), linear.inputs.end()},
                       {act_mul.outputs.begin(), act_mul.outputs.end()}}},
                     {*product, *halves, last}};
}

// Both halves of the weight are multiplied.
OpCost cost(const CostArgs& args) {
  return product_cost(args, 4 * args.outputs[0].elements() * args.inputs[0].columns());
}

}  // namespace op_gated_linear

// y[.., N] = activation(x * gate^T) * (x * up^T) of x[.., K], weight[2N, K] and bias[2N]: the first
// N rows are the gate's, the others the up's. Plans do not hold it. Kernels may keep both products
// in float32; the decomposition rounds them to x's type.
const OpDef& gated_linear_op() {
  using namespace op_gated_linear;
  static const OpDef op = {.name = "gated_linear",
                           .infer = infer,
                           .decompose = decompose,
                           .match = match,
                           .row_strided = true,
                           .weight_pieces = true,
                           .heavy = true,
                           .cost = cost};
  return op;
}

}  // namespace ingot
