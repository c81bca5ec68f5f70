// Chooses between fused steps and what they stand for by timing them in their place: one kernel's
// cost depends on which others run around it, and fused steps may exclude each other.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/tune_bench.h"
#include "engine/fusion.h"

namespace ingot {

// Adds those of `proposals` (choices by descriptor, of steps that only fused ones have) to
// `section` that the fastest tilings are made of. Each tiling of a group of steps is timed as a
// sequence, over the weights of as many layers as there are and with a small kernel behind each
// round, as one graph where the device captures; tilings take turns. A group whose operands do not
// fit, that the time does not reach, or of which the plain steps fail, stays plain. What was timed
// stands in the report and, under a key of the whole sequence, in the timing cache. DeviceLost
// where a kernel broke the device: what was measured before it has been chosen by.
void tune_fusion(TuneBench& bench, const std::vector<FusedStep>& fused,
                 const std::map<std::string, KernelChoice>& proposals, DeviceSection& section);

}  // namespace ingot
