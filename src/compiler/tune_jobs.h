// What is tuned: a plan's descriptors, each once.
#pragma once

#include <vector>

#include "engine/fusion.h"
#include "engine/weights.h"
#include "kernels/kernel_def.h"

namespace ingot {

// A descriptor and the steps that have it: they share tactics, and their different weights keep
// timings cold.
struct TuneJob {
  KernelDesc desc;
  std::vector<const PlanStep*> steps;
  // Of a fused step: descriptors of the steps that it would stand for, each as often as it occurs.
  std::vector<KernelDesc> parts{};
};

// Descriptors of all kernel steps in all buckets, those of the fused steps behind the others of
// their bucket. They point at steps of `plan` and `fused`, which must outlive them.
std::vector<TuneJob> tune_jobs(const Plan& plan, const std::vector<FusedStep>& fused,
                               WeightStore& weights, int capability);

}  // namespace ingot
