// Steps of a plan that one kernel of a fused operator may run instead.
#pragma once

#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"

namespace ingot {

struct FusedStep {
  PlanStep step;  // of the fused operator, over the plan's values
  std::vector<size_t>
      covers;  // the plan's launches that it stands for, ascending; it runs as the last
};

// What operators with a match() and a kernel for the device kind (the reference does not count)
// could take over. No step is covered twice: the operator that covers more comes first, then by
// name. Bodies of control flow are plans of their own.
std::vector<FusedStep> find_fused_steps(const Plan& plan, std::string_view device_kind);

// Those of operators that a tuned section chose a kernel for, in whatever bucket: what an executor
// may run and sets memory aside for. None without a section.
std::vector<FusedStep> tuned_fused_steps(const Plan& plan, std::string_view device_kind,
                                         const DeviceSection* section);

}  // namespace ingot
