#include <algorithm>
#include <numeric>

#include "ops/contract/fusion.h"
#include "ops/contract/op_cost.h"

namespace ingot {
namespace op_linear_rope_kv_append {

constexpr size_t kInvFreq = 8;

// Of rope: all attributes but the widths.
Attrs rope_attrs(const Attrs& attrs) {
  Attrs out = attrs;
  out.erase("widths");
  return out;
}

std::vector<int64_t> widths_of(const InferArgs& args) {
  auto widths = attr_or<std::vector<int64_t>>(args.attrs, "widths", {});
  const bool positive = std::ranges::all_of(widths, [](int64_t width) { return width > 0; });
  if (widths.size() != 3 || !positive) args.bad("expected the widths of q, k and v");
  return widths;
}

std::vector<ValueType> infer(const InferArgs& args) {
  const std::vector<int64_t> widths = widths_of(args);
  std::vector<const ValueType*> product = {&args.input(0), &args.input(1)};
  if (args.inputs.size() > 2) product.push_back(args.inputs[2]);
  ValueType all = get_op("linear").infer({args.op, product, {}, args.constant})[0];
  const int64_t columns = std::accumulate(widths.begin(), widths.end(), int64_t{0});
  if (!(all.shape.back() == Dim(columns))) {
    args.bad(fmt::format("q, k and v have {} columns together, weight {} gives {}", columns,
                         type_text(args.input(1)), all.shape.back().text()));
  }
  std::vector<ValueType> parts(3, all);
  for (size_t i = 0; i < 3; ++i) parts[i].shape.back() = widths[i];
  std::vector<const ValueType*> types = {&parts[0], &parts[1], &parts[2]};
  for (size_t i = 3; i <= kInvFreq; ++i) types.push_back(&args.input(i));
  const Attrs attrs = rope_attrs(args.attrs);
  return get_op("rope_kv_append").infer({args.op, types, attrs, args.constant, 3});
}

std::vector<int> decompose(OpEmitter& emitter, const Attrs& attrs, std::span<const int> in) {
  const int all = emitter.emit("linear", {}, {in[0], in[1], in[2]});
  std::vector<int> inputs =
      emitter.emit_many("split_columns", {{"widths", attrs.at("widths")}}, {all}, 3);
  inputs.insert(inputs.end(), in.begin() + 3, in.end());
  return emitter.emit_many("rope_kv_append", rope_attrs(attrs), inputs, 3);
}

// linear -> split_columns in q, k and v -> rope_kv_append, as models and merge_linears leave them.
std::optional<FusionMatch> match(const StepSource& steps, size_t last) {
  const StepSource::Step append = steps.step(last);
  if (append.op != "rope_kv_append") return {};
  const auto thirds = steps.producer(append.inputs[0]);
  if (!thirds || steps.step(*thirds).op != "split_columns") return {};
  const StepSource::Step split = steps.step(*thirds);
  if (!std::ranges::equal(split.outputs, append.inputs.first(3))) return {};
  const int all = split.inputs[0];
  const auto product = steps.producer(all);
  if (!product || steps.readers(all) != 1) return {};
  for (int part : split.outputs) {
    if (steps.readers(part) != 1) return {};
  }
  const StepSource::Step linear = steps.step(*product);
  if (linear.op != "linear" || !steps.is_weight(linear.inputs[1])) return {};
  if (!(steps.type(linear.inputs[0]).element == steps.type(all).element)) return {};
  FusionMatch match{append.attrs,
                    {linear.inputs.begin(), linear.inputs.end()},
                    {append.outputs.begin(), append.outputs.end()},
                    {*product, *thirds, last}};
  match.attrs["widths"] = split.attrs.at("widths");
  match.inputs.resize(3, kNoValue);
  match.inputs.insert(match.inputs.end(), append.inputs.begin() + 3, append.inputs.end());
  return match;
}

OpCost cost(const CostArgs& args) {
  return product_cost(args, 2 * args.inputs[0].rows() * args.inputs[1].elements());
}

IndexInputs representative(const RepresentativeArgs& args) {
  return get_op("rope_kv_append").representative(args);  // the same places
}

}  // namespace op_linear_rope_kv_append

// (x[tokens, K], weight[q + k + v, K], bias or none, k_cache, v_cache, positions, token_rows,
// block_tables, inv_freq) -> (rotated q, k_cache, v_cache): a linear layer over q, k and v, whose
// columns are the attribute `widths`, then rope_kv_append with its attributes. Plans do not hold
// it. Kernels round the products to x's type, as the decomposition does.
const OpDef& linear_rope_kv_append_op() {
  using namespace op_linear_rope_kv_append;
  static const OpDef op = {.name = "linear_rope_kv_append",
                           .infer = infer,
                           .effects = {.aliases = {{1, 3}, {2, 4}}, .rows = 0},
                           .decompose = decompose,
                           .match = match,
                           .row_strided = true,
                           .weight_pieces = true,
                           .heavy = true,
                           .representative = representative,
                           .cost = cost};
  return op;
}

}  // namespace ingot
