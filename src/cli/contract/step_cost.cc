#include "cli/contract/step_cost.h"

#include <algorithm>

#include "engine/memory.h"

namespace ingot {
namespace {

using Kind = PlanValue::Kind;

double size_of(const ValueType& type, const SymbolValues& symbols) {
  return static_cast<double>(bytes_at(type, symbols).value_or(0));
}

// Bytes of one position of a paged cache [pages, heads, tokens, dim].
double position_bytes(const ValueType& type) {
  const SymShape& shape = type.shape;
  if (shape.size() != 4 || !is_constant({shape[1], shape[3]})) return 0;
  return static_cast<double>(type.element.bytes(shape[1].constant() * shape[3].constant()));
}

double rows_of(const ValueType& type, const SymbolValues& symbols) {
  const Shape shape = evaluate(type.shape, symbols);
  double rows = 1;
  for (size_t d = 0; d + 1 < shape.size(); ++d) rows *= static_cast<double>(shape[d]);
  return rows;
}

double flops_of(const Plan& plan, const PlanStep& step, const SymbolValues& symbols,
                const AttentionLoad& load) {
  const auto type = [&](size_t i) -> const ValueType& {
    return plan.values[static_cast<size_t>(step.inputs[i])].type;
  };
  if (step.op == "linear" || step.op == "matmul") {
    const Shape x = evaluate(type(0).shape, symbols);
    const ValueType& y = plan.values[static_cast<size_t>(step.outputs[0])].type;
    const Shape out = evaluate(y.shape, symbols);
    return x.empty() || out.empty() ? 0
                                    : 2 * rows_of(y, symbols) * static_cast<double>(out.back()) *
                                          static_cast<double>(x.back());
  }
  if (step.op == "moe_ffn") {  // three products for each of a token's experts
    const Shape ids = evaluate(type(1).shape, symbols), down = evaluate(type(4).shape, symbols);
    return 6.0 * static_cast<double>(element_count(ids)) * static_cast<double>(down[1] * down[2]);
  }
  if (step.op == "paged_attention") {
    return 4 * load.pairs * static_cast<double>(evaluate(type(0).shape, symbols).back());
  }
  return 0;
}

// The part of all experts' weights that a step reads, at the most: no two tokens share one.
double used_experts(const Plan& plan, const PlanStep& step, const SymbolValues& symbols) {
  const auto shape = [&](size_t i) {
    return evaluate(plan.values[static_cast<size_t>(step.inputs[i])].type.shape, symbols);
  };
  const auto pairs = static_cast<double>(element_count(shape(1)));
  return std::min(1.0, pairs / static_cast<double>(shape(4)[0]));
}

}  // namespace

StepCost step_cost(const Plan& plan, const PlanStep& step, const SymbolValues& symbols,
                   const AttentionLoad& load) {
  StepCost out;
  out.flops = flops_of(plan, step, symbols, load);
  const bool picks = step.op == "embedding" || step.op == "gather";
  const bool attends = step.op == "paged_attention";
  double results = 0;
  for (int id : step.outputs) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    if (plan.values[static_cast<size_t>(plan.root(id))].kind == Kind::kState) continue;
    results += size_of(value.type, symbols);
  }
  out.bytes = results;
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kNoValue) continue;
    const PlanValue& value = plan.values[static_cast<size_t>(step.inputs[i])];
    const PlanValue& root = plan.values[static_cast<size_t>(plan.root(step.inputs[i]))];
    if (root.kind == Kind::kState) {
      // Attention reads the cache; what else touches it writes its own tokens there.
      const double positions =
          attends ? load.positions
                  : rows_of(plan.values[static_cast<size_t>(step.inputs[0])].type, symbols);
      out.bytes += positions * position_bytes(root.type);
    } else if (picks && !value.type.element.is_block() && is_float(value.type.element.dtype)) {
      out.bytes += results;
    } else if (picks && value.type.element.is_block()) {
      const double all = size_of(value.type, symbols);
      const double rows = rows_of(value.type, symbols);
      const double picked =
          rows_of(plan.values[static_cast<size_t>(step.outputs[0])].type, symbols);
      out.bytes += rows > 0 ? all * picked / rows : 0;
    } else {
      const bool expert = step.op == "moe_ffn" && i >= 3;
      out.bytes += size_of(value.type, symbols) * (expert ? used_experts(plan, step, symbols) : 1);
    }
  }
  return out;
}

}  // namespace ingot
