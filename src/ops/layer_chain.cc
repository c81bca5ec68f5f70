#include <algorithm>

#include "ops/contract/fusion.h"
#include "ops/shared/activation.h"

namespace ingot {
namespace op_layer_chain {

struct LayerChainAttrs {
  std::string activation = "silu";
  double epsilon = 1e-5, weight_offset = 0;             // of the norm before the gated unit
  double next_epsilon = 1e-5, next_weight_offset = 0;  // of the one behind it
  template <typename V>
  void fields(V& v) {
    v("activation", activation);
    v("epsilon", epsilon);
    v("weight_offset", weight_offset);
    v("next_epsilon", next_epsilon);
    v("next_weight_offset", next_weight_offset);
  }
};

enum Input { kX, kResidual, kOut, kOutBias, kNorm, kUp, kUpBias, kDown, kDownBias, kNextNorm };
constexpr size_t kNext = kNextNorm + 1;

// Checks the weight[N, columns] at `index` and its bias behind it; returns N.
int64_t weight_rows(const InferArgs& args, size_t index, const Dim& columns) {
  const ValueType& w = args.input(index);
  if (w.shape.size() != 2 || !(w.shape[1] == columns) || !w.shape[0].is_constant()) {
    args.bad(fmt::format("weight {}: {} does not fit {} columns", index, type_text(w),
                         columns.text()));
  }
  const ValueType* bias = index + 1 < args.inputs.size() ? args.inputs[index + 1] : nullptr;
  if (bias && (bias->shape.size() != 1 || !(bias->shape[0] == w.shape[0]))) {
    args.bad(fmt::format("bias {} does not fit weight {}", type_text(*bias), type_text(w)));
  }
  return w.shape[0].constant();
}

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<LayerChainAttrs>(args.attrs, "ops/layer_chain");
  if (!ops::find_activation(attrs.activation)) {
    args.bad(fmt::format("unknown activation '{}'", attrs.activation));
  }
  const ValueType& x = args.input(kX);
  const ValueType& residual = args.input(kResidual);
  if (x.shape.size() != 2 || !is_float(x.element.dtype)) {
    args.bad("expected a float matrix, found " + type_text(x));
  }
  if (residual.shape.size() != 2 || !(residual.element == x.element) ||
      !(residual.shape[0] == x.shape[0])) {
    args.bad(fmt::format("residual {} does not fit input {}", type_text(residual), type_text(x)));
  }
  const Dim& hidden = residual.shape[1];
  if (!(Dim(weight_rows(args, kOut, x.shape[1])) == hidden)) {
    args.bad(fmt::format("weight {} does not fit residual {}", type_text(args.input(kOut)),
                         type_text(residual)));
  }
  const int64_t both = weight_rows(args, kUp, hidden);
  if (both == 0 || both % 2 != 0) {
    args.bad(fmt::format("weight {} has no halves for gate and up", type_text(args.input(kUp))));
  }
  if (!(Dim(weight_rows(args, kDown, Dim(both / 2))) == hidden)) {
    args.bad(fmt::format("weight {} does not fit residual {}", type_text(args.input(kDown)),
                         type_text(residual)));
  }
  for (size_t norm : {size_t{kNorm}, size_t{kNextNorm}}) {
    const ValueType& w = args.input(norm);
    if (w.shape.size() != 1 || !(w.shape[0] == hidden)) {
      args.bad(fmt::format("norm's weight {} does not fit residual {}", type_text(w),
                           type_text(residual)));
    }
  }
  const int64_t next = weight_rows(args, kNext, hidden);
  return {residual, {x.element, {x.shape[0], next}}};
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
  const auto read = read_attrs<LayerChainAttrs>(attrs, "ops/layer_chain");
  const auto linear = [&](int x, size_t weight) {
    std::vector<int> operands = {x, inputs[weight]};
    if (weight + 1 < inputs.size() && inputs[weight + 1] != kNoValue) {
      operands.push_back(inputs[weight + 1]);
    }
    return emitter.emit("linear", {}, operands);
  };
  const Attrs norm = {{"epsilon", read.epsilon}, {"weight_offset", read.weight_offset}};
  const Attrs next = {{"epsilon", read.next_epsilon}, {"weight_offset", read.next_weight_offset}};
  const auto middle = emitter.emit_many("add_rms_norm", norm,
                                        {linear(inputs[kX], kOut), inputs[kResidual], inputs[kNorm]},
                                        2);
  const int64_t n = emitter.type(inputs[kUp]).shape[0].constant() / 2;
  const auto halves = emitter.emit_many("split_columns", {{"widths", std::vector<int64_t>{n, n}}},
                                        {linear(middle[1], kUp)}, 2);
  const int gated = emitter.emit("act_mul", {{"activation", read.activation}}, halves);
  const auto end = emitter.emit_many(
      "add_rms_norm", next, {linear(gated, kDown), middle[0], inputs[kNextNorm]}, 2);
  return {end[0], linear(end[1], kNext)};
}

// Walks back over steps whose results nobody else reads.
class Walk {
 public:
  Walk(const StepSource& steps, size_t last) : steps_(steps), covers_{last} {}
  // The step that makes `value` as its output number `output`, of that operator; it is covered.
  std::optional<StepSource::Step> before(int value, std::string_view op, size_t output = 0) {
    const auto index = steps_.producer(value);
    if (!index || steps_.readers(value) != 1) return {};
    const StepSource::Step step = steps_.step(*index);
    if (step.op != op || step.outputs[output] != value) return {};
    covers_.push_back(*index);
    return step;
  }
  std::vector<size_t> covers() const { return covers_; }

 private:
  const StepSource& steps_;
  std::vector<size_t> covers_;
};

bool plain_linear(const StepSource& steps, const StepSource::Step& step) {
  return step.op == "linear" && steps.is_weight(step.inputs[1]) &&
         steps.type(step.inputs[0]).shape.size() == 2 &&
         steps.type(step.inputs[0]).element == steps.type(step.outputs[0]).element;
}
int bias_of(const StepSource::Step& linear) {
  return linear.inputs.size() > 2 ? linear.inputs[2] : kNoValue;
}

// linear -> add_rms_norm -> linear -> split_columns -> act_mul -> linear -> add_rms_norm -> linear.
std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  const StepSource::Step next = steps.step(last);
  if (!plain_linear(steps, next)) return {};
  Walk walk(steps, last);
  const auto end = walk.before(next.inputs[0], "add_rms_norm", 1);
  if (!end) return {};
  const auto down = walk.before(end->inputs[0], "linear");
  if (!down || !plain_linear(steps, *down)) return {};
  const auto act_mul = walk.before(down->inputs[0], "act_mul");
  if (!act_mul) return {};
  const auto split = walk.before(act_mul->inputs[0], "split_columns");
  if (!split || !std::ranges::equal(split->outputs, act_mul->inputs)) return {};
  if (steps.readers(act_mul->inputs[1]) != 1) return {};
  const auto up = walk.before(split->inputs[0], "linear");
  if (!up || !plain_linear(steps, *up)) return {};
  const auto middle = walk.before(up->inputs[0], "add_rms_norm", 1);
  if (!middle || middle->outputs[0] != end->inputs[1]) return {};
  if (steps.readers(middle->outputs[0]) != 1) return {};
  const auto out = walk.before(middle->inputs[0], "linear");
  if (!out || !plain_linear(steps, *out)) return {};
  for (const auto& norm : {*middle, *end}) {
    if (attr_or<int64_t>(norm.attrs, "group", 0) != 0) return {};
  }
  const auto number = [](const StepSource::Step& step, const char* name, double fallback) {
    return attr_or<double>(step.attrs, name, fallback);
  };
  return FusionMatch{
      {{"activation", attr_or<std::string>(act_mul->attrs, "activation", "silu")},
       {"epsilon", number(*middle, "epsilon", 1e-5)},
       {"weight_offset", number(*middle, "weight_offset", 0)},
       {"next_epsilon", number(*end, "epsilon", 1e-5)},
       {"next_weight_offset", number(*end, "weight_offset", 0)}},
      {out->inputs[0], middle->inputs[1], out->inputs[1], bias_of(*out), middle->inputs[2],
       up->inputs[1], bias_of(*up), down->inputs[1], bias_of(*down), end->inputs[2],
       next.inputs[1], bias_of(next)},
      {end->outputs[0], next.outputs[0]},
      walk.covers()};
}

}  // namespace op_layer_chain

// What stands between one attention and the next, as one operator: from x[T, A], the attention's
// result, and residual[T, H],
//   middle = residual + linear(x, out[H, A], bias[H])
//   sum    = middle + linear(gated_linear(rms_norm(middle, norm[H]), up[2I, H], bias[2I]),
//                            down[H, I], bias[H])
//   y      = linear(rms_norm(sum, next_norm[H]), next[N, H], bias[N])
// to (sum[T, H], y[T, N]). Every bias may be absent. Plans do not hold it. Kernels may keep sums
// in float32 where the decomposition rounds them to x's type.
const OpDef& layer_chain_op() {
  using namespace op_layer_chain;
  static const OpDef op = {.name = "layer_chain",
                           .infer = infer,
                           .decompose = decompose,
                           .match = match,
                           .row_strided = true,
                           .weight_pieces = true,
                           .heavy = true};
  return op;
}

}  // namespace ingot
