// The ways to run a plan's steps with fused steps in the place of some: which there are, and which
// set of choices gives the best of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/fusion.h"
#include "engine/selection.h"
#include "engine/weights.h"

namespace ingot {

// A step and the kernel that would run it.
struct TilingStep {
  KernelDesc desc;
  std::string text;  // the descriptor's
  Selection selection;
  bool proposal = false;  // only fused steps have the descriptor: it is chosen with one of them
  std::vector<const PlanStep*> steps;  // by member of the group
};

// Steps of the plan that fused steps connect by covering them: an attention's output, the norm
// behind it and what reads that, for example. Those of equal descriptors, of layer after layer, are
// members of one group: they run the same way.
struct FusionGroup {
  struct Fused {
    std::string op;
    std::vector<size_t> covers;  // of FusionGroup::plain, ascending
    std::vector<TilingStep> steps;
    std::set<std::string> needs;  // descriptors of the proposals among them
  };
  std::vector<TilingStep> plain;  // in the plan's order
  std::vector<Fused> fused;       // in the order of find_fused_steps()
  size_t members = 0;
  // Sets of `fused`, ascending, that launch_order() of an executor would take if the section had
  // their proposals. The first is what runs without any.
  std::vector<std::vector<size_t>> tilings;
};

// Groups of all buckets, in invariant mode of the last one, which binding chooses by. `fused` are
// those of the plan. Left out are fused steps of which one has neither a proposal nor a choice in
// `section`, and groups with steps that the reference runs.
std::vector<FusionGroup> fusion_groups(const Plan& plan, const std::vector<FusedStep>& fused,
                                       const DeviceSection& section,
                                       const std::map<std::string, KernelChoice>& proposals,
                                       WeightStore& weights, const Device& device, bool invariant);

// What launch_order() takes of the group where these proposals are chosen.
std::vector<size_t> taken_tiling(const FusionGroup& group, const std::set<std::string>& chosen);
// Proposals that it is made of.
std::set<std::string> tiling_needs(const FusionGroup& group, const std::vector<size_t>& tiling);
// Its steps, in the order in which they run.
std::vector<const TilingStep*> tiling_steps(const FusionGroup& group,
                                            const std::vector<size_t>& tiling);

// Proposals whose tilings take the least time over all groups: a choice holds for all of them, and
// those of one may change what another runs. `microseconds` by group and tiling, 0 where it was not
// measured, which then is not taken; a group without any runs on as it does. Without fused steps a
// group is taken to be half a percent faster than measured.
std::set<std::string> choose_tilings(const std::vector<FusionGroup>& groups,
                                     const std::vector<std::vector<double>>& microseconds);

}  // namespace ingot
