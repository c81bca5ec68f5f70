// What a step of a plan must move and compute, at the least.
#pragma once

#include <cstdint>

#include "engine/plan.h"

namespace ingot {

struct StepCost {
  double bytes = 0;  // operands read and results written, each once
  double flops = 0;  // of products: linear layers, matrix products and attention
};

// How far attention looks in one step of a decoder.
struct AttentionLoad {
  double positions = 0;  // of the KV cache that are read, all rows together
  double pairs = 0;      // of queries and keys
};

// `symbols` gives every size. Tables that rows are picked from count with those rows alone, states
// with the positions that are read or written.
StepCost step_cost(const Plan& plan, const PlanStep& step, const SymbolValues& symbols,
                   const AttentionLoad& load);

}  // namespace ingot
