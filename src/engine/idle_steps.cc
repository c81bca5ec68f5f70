#include "engine/idle_steps.h"

#include <algorithm>

#include "base/function_ref.h"

namespace ingot {
namespace {

bool idle(const PlanStep& step, const Effects& effects, FunctionRef<bool(size_t)> no_input,
          FunctionRef<bool(size_t)> no_output) {
  if (step.kind != StepKind::kKernel && step.kind != StepKind::kHost) return false;
  if (effects.collective) return false;
  const bool no_rows = effects.rows >= 0 && no_input(static_cast<size_t>(effects.rows));
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    if (no_output(i)) continue;
    const bool updated = std::any_of(
        effects.aliases.begin(), effects.aliases.end(),
        [&](const Effects::Alias& alias) { return alias.output == static_cast<int>(i); });
    if (!updated || !no_rows) return false;
  }
  return !step.outputs.empty();
}

// One of its sizes is 0 whatever the bucket's run is.
bool always_empty(const Plan& plan, int id, const Bucket& bucket) {
  if (id == kNoValue) return false;
  const SymShape& shape = plan.values[static_cast<size_t>(id)].type.shape;
  return std::any_of(shape.begin(), shape.end(), [&](const Dim& dim) {
    for (const std::string& name : dim.symbols()) {
      const auto size = bucket.find(name);
      if (size == bucket.end() || size->second != 0) return false;
    }
    return dim.evaluate(bucket) == 0;
  });
}

}  // namespace

bool is_idle(const PlanStep& step, const Effects& effects, std::span<const TensorView> inputs,
             std::span<const TensorView> outputs) {
  const auto empty = [](std::span<const TensorView> views, size_t i) {
    return i < views.size() && views[i].present() && views[i].elements() == 0;
  };
  return idle(
      step, effects, [&](size_t i) { return empty(inputs, i); },
      [&](size_t i) { return empty(outputs, i); });
}

bool is_idle_in(const Plan& plan, const PlanStep& step, const Bucket& bucket) {
  const auto empty = [&](const std::vector<int>& ids, size_t i) {
    return i < ids.size() && always_empty(plan, ids[i], bucket);
  };
  return idle(
      step, get_op(step.op).effects, [&](size_t i) { return empty(step.inputs, i); },
      [&](size_t i) { return empty(step.outputs, i); });
}

}  // namespace ingot
