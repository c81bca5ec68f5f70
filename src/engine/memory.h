// Liveness of a plan's intermediates, for chosen limits.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/fusion.h"
#include "engine/plan.h"

namespace ingot {

// Bytes of a value at the limits; nullopt when its size depends on data (a symbol without a limit).
std::optional<int64_t> bytes_at(const ValueType& type, const SymbolValues& limits);

struct MemoryPlan {
  std::vector<int> values;       // value ids that own arena memory
  std::vector<ArenaItem> items;  // by position in `values`
  std::vector<int> dynamic;      // value ids sized by data: allocated while running
  ArenaLayout layout;
};

// Only kActivation roots live in the arena; inputs, states and weights have memory of their own.
// What `fused` steps read or write stays until the last of the steps that they cover, whose place
// they take.
MemoryPlan plan_memory(const Plan& plan, const SymbolValues& limits,
                       std::span<const FusedStep> fused = {});

// One line per arena value: "name bytes first last offset", for reports and for the script that
// recomputes the bound (tools/arena_bound.py).
std::string memory_text(const Plan& plan, const MemoryPlan& memory);

// plan_text, a line "limits name=value ...", and memory_text at those limits: all that is needed to
// judge the memory plan from outside.
std::string plan_and_memory_text(const Plan& plan, const SymbolValues& limits);

}  // namespace ingot
