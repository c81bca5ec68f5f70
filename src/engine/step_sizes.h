// Sizes of a step's operands that the plan's types leave open: two symbols that an operator needs
// to be equal, or a symbol that must be what a weight has. They are known when a run has its
// inputs.
#pragma once

#include <span>

#include "engine/plan.h"

namespace ingot {

// Whether some sizes of the plan's symbols may break what the step's operator asks for or what the
// plan says of its results. Found by trying sizes, so that steps whose sizes are tied by
// construction (all of a language model's) need no check when they run.
bool sizes_may_disagree(const Plan& plan, const PlanStep& step);

// Infers the step's results again from the shapes that it is about to run on (empty views where an
// input is absent). Error{kInvalidArgument} naming the step, its origin, expected and found.
void check_step_sizes(const Plan& plan, const PlanStep& step, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs, const SymbolValues& symbols);

}  // namespace ingot
