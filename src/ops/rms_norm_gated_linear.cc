#include <array>

#include "ops/contract/op_cost.h"
#include "ops/shared/normed_input.h"

namespace ingot {
namespace op_rms_norm_gated_linear {

struct GatedAttrs {
  std::string activation = "silu";
  ops::RowNormAttrs norm;
  template <typename V>
  void fields(V& v) {
    v("activation", activation);
    norm.fields(v);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<GatedAttrs>(args.attrs, "ops/rms_norm_gated_linear");
  args.input(3);  // so that the first three are there
  const Attrs gated = {{"activation", attrs.activation}};
  std::vector<ValueType> out =
      get_op("gated_linear").infer({args.op, args.inputs.first(3), gated, args.constant, 1});
  ops::check_norm_weight(args);
  return out;
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
  const auto read = read_attrs<GatedAttrs>(attrs, "ops/rms_norm_gated_linear");
  const int x = ops::emit_row_norm(emitter, read.norm, inputs);
  const std::array<int, 3> layer = {x, inputs[1], inputs[2]};
  const Attrs gated = {{"activation", read.activation}};
  return get_op("gated_linear").decompose(emitter, gated, layer);
}

std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  std::optional<FusionMatch> layer = get_op("gated_linear").match(steps, last);
  if (!layer) return {};
  return ops::match_normed_input(steps, std::move(*layer), "rms_norm_gated_linear");
}

// The layer's; bytes are those of all operands here.
OpCost cost(const CostArgs& args) { return get_op("gated_linear").cost(args); }

}  // namespace op_rms_norm_gated_linear

// y[.., N] = gated_linear(rms_norm(x[.., K], norm_weight[K]), weight[2N, K], bias[2N]) of inputs x,
// weight, bias (or absent) and norm_weight. Plans do not hold it. Kernels may keep the norm and
// both products in float32; the decomposition rounds them to x's type.
const OpDef& rms_norm_gated_linear_op() {
  using namespace op_rms_norm_gated_linear;
  static const OpDef op = {.name = "rms_norm_gated_linear",
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
