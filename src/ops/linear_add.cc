#include "ops/contract/op_cost.h"
#include "ops/shared/linear_inputs.h"
#include "ops/shared/residual_match.h"

namespace ingot {
namespace op_linear_add {

struct LinearAddAttrs {
  bool hold_next = false;
  template <typename V>
  void fields(V& v) {
    v("hold_next", hold_next);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  read_attrs<LinearAddAttrs>(args.attrs, "ops/linear_add");
  ops::check_linear_inputs(args);
  ValueType y = {args.input(0).element, args.input(0).shape};
  y.shape.back() = args.input(1).shape[0];
  const ValueType& residual = args.input(3);
  if (!(residual == y)) {
    args.bad(
        fmt::format("residual {} differs from the product {}", type_text(residual), type_text(y)));
  }
  return {y};
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs&, std::span<const int> inputs) {
  const int product = emitter.emit("linear", {}, {inputs[0], inputs[1], inputs[2]});
  return {emitter.emit("add", {}, {product, inputs[3]})};
}

// linear -> add is one step. Of linear -> add_rms_norm the sum is, and rms_norm does the rest.
std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  const auto layer = ops::match_residual_linear(steps, last);
  if (!layer) return {};
  FusionMatch out = {{layer->fused}, {layer->linear, last}};
  const StepSource::Step add = steps.step(last);
  if (add.op == "add_rms_norm") {
    out.steps.push_back({"rms_norm", add.attrs, {add.outputs[0], add.inputs[2]}, {add.outputs[1]}});
  }
  return out;
}

// The layer's; bytes are those of all operands here.
OpCost cost(const CostArgs& args) { return get_op("linear").cost(args); }

}  // namespace op_linear_add

// y[.., N] = x * w^T + bias + residual of x[.., K], weight[N, K], bias[N] (or absent) and
// residual[.., N], which has x's element type, as y has. Plans do not hold it. Kernels may keep the
// product in float32; the decomposition rounds it to x's type. `hold_next` changes no result: what
// runs next reads weights before it needs y, which takes memory from this layer unless it starts
// when the layer has ended.
const OpDef& linear_add_op() {
  using namespace op_linear_add;
  static const OpDef op = {.name = "linear_add",
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
