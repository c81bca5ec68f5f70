#include "ops/contract/op_cost.h"
#include "ops/shared/linear_inputs.h"
#include "ops/shared/normed_input.h"

namespace ingot {
namespace op_rms_norm_linear {

std::vector<ValueType> infer(const InferArgs& args) {
  read_attrs<ops::RowNormAttrs>(args.attrs, "ops/rms_norm_linear");
  ops::check_linear_inputs(args);
  ops::check_norm_weight(args);
  SymShape shape = args.input(0).shape;
  shape.back() = args.input(1).shape[0];
  return {{args.input(0).element, std::move(shape)}};
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
  const auto norm = read_attrs<ops::RowNormAttrs>(attrs, "ops/rms_norm_linear");
  const int x = ops::emit_row_norm(emitter, norm, inputs);
  return {emitter.emit("linear", {}, {x, inputs[1], inputs[2]})};
}

std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  const StepSource::Step linear = steps.step(last);
  if (linear.op != "linear" || !steps.is_weight(linear.inputs[1])) return {};
  if (!(steps.type(linear.inputs[0]).element == steps.type(linear.outputs[0]).element)) return {};
  FusionMatch layer = {{{"linear",
                         {},
                         {linear.inputs.begin(), linear.inputs.end()},
                         {linear.outputs.begin(), linear.outputs.end()}}},
                       {last}};
  return ops::match_normed_input(steps, std::move(layer), "rms_norm_linear");
}

// The layer's; bytes are those of all operands here.
OpCost cost(const CostArgs& args) { return get_op("linear").cost(args); }

}  // namespace op_rms_norm_linear

// y[.., N] = linear(rms_norm(x[.., K], norm_weight[K]), weight[N, K], bias[N]) of inputs x, weight,
// bias (or absent) and norm_weight. Plans do not hold it. Kernels may keep the norm in float32; the
// decomposition rounds it to x's type.
const OpDef& rms_norm_linear_op() {
  using namespace op_rms_norm_linear;
  static const OpDef op = {.name = "rms_norm_linear",
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
