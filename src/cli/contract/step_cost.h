// What a step of a plan must move and multiply at the least: its operator's cost at the sizes of
// one run.
#pragma once

#include "engine/plan.h"
#include "ops/contract/op_cost.h"

namespace ingot {

// `symbols` gives the sizes; a size that they do not give counts as 0. Bodies of control flow do
// not count.
OpCost step_cost(const Plan& plan, const PlanStep& step, const SymbolValues& symbols,
                 const AttentionLoad& load);

}  // namespace ingot
