// Steps of a plan that kernels of fused operators may run instead.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"

namespace ingot {

struct FusedStep {
  std::string op;               // whose match() it is
  std::vector<PlanStep> steps;  // over the plan's values, in the order in which they run
  // The plan's launches that they stand for, ascending; they run in place of the last one.
  std::vector<size_t> covers;
};

// What operators with a match() could take over, where each step of it has a kernel for the device
// kind (the reference does not count) and no step between needs them earlier or overwrites what
// they read: what covers more comes first, then by the operator's name.
// Some may cover the same step: they are taken in this order where TakenSteps says they are free.
// Bodies of control flow are plans of their own.
std::vector<FusedStep> find_fused_steps(const Plan& plan, std::string_view device_kind);

// Steps that are taken over already.
class TakenSteps {
 public:
  bool free(const FusedStep& fused) const;
  void take(const FusedStep& fused) { taken_.insert(fused.covers.begin(), fused.covers.end()); }

 private:
  std::set<size_t> taken_;
};

// Those for whose operators with these attributes a tuned section chose kernels, in whatever bucket
// and for whatever operands: what an executor may run and sets memory aside for. None without a
// section.
std::vector<FusedStep> tuned_fused_steps(const Plan& plan, std::string_view device_kind,
                                         const DeviceSection* section);

}  // namespace ingot
