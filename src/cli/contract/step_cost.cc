#include "cli/contract/step_cost.h"

#include <algorithm>

namespace ingot {
namespace {

int64_t size_of(const Dim& dim, const SymbolValues& symbols) {
  const std::vector<std::string> names = dim.symbols();
  const bool known = std::all_of(names.begin(), names.end(),
                                 [&](const std::string& name) { return symbols.count(name) != 0; });
  return known ? dim.evaluate(symbols) : 0;
}

CostOperand operand(const Plan& plan, int id, const SymbolValues& symbols) {
  if (id == kNoValue) return {.present = false};
  const PlanValue& value = plan.values[static_cast<size_t>(id)];
  const PlanValue& root = plan.values[static_cast<size_t>(plan.root(id))];
  CostOperand out = {.type = value.type.element, .state = root.kind == PlanValue::Kind::kState};
  for (const Dim& dim : value.type.shape) out.shape.push_back(size_of(dim, symbols));
  return out;
}

}  // namespace

OpCost step_cost(const Plan& plan, const PlanStep& step, const SymbolValues& symbols,
                 const AttentionLoad& load) {
  std::vector<CostOperand> inputs, outputs;
  for (const int id : step.inputs) inputs.push_back(operand(plan, id, symbols));
  for (const int id : step.outputs) outputs.push_back(operand(plan, id, symbols));
  return op_cost({get_op(step.op), step.attrs, inputs, outputs, load});
}

}  // namespace ingot
