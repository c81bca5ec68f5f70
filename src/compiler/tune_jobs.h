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
  bool in_plan = false;   // a step of the plan has it
  bool in_fused = false;  // a step of a fused step does
};

// Descriptors of all kernel steps in all buckets, those of the fused steps behind the others of
// their bucket. They point at steps of `plan` and `fused`, which must outlive them.
std::vector<TuneJob> tune_jobs(const Plan& plan, const std::vector<FusedStep>& fused,
                               WeightStore& weights, int capability);

// A step's descriptor in a bucket, with weights in as many pieces as `weights` gives.
KernelDesc tune_desc(const Plan& plan, const PlanStep& step, const Bucket& bucket,
                     WeightStore& weights, int capability, bool invariant);

}  // namespace ingot
