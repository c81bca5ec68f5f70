// The last check of a plan that comes from a file.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/plan.h"

namespace ingot {

// Every step's operands and results must have the types that its operator's definition (and, for a
// fused one, its decomposition) gives them, so that no kernel sees memory it was not promised.
// `tensors` are the bytes of plan.tensors: operators read constant shapes from them.
// Error{kCorrupt} names the step. Subplans included.
void check_plan_types(const Plan& plan, const std::vector<std::span<const std::byte>>& tensors);

}  // namespace ingot
