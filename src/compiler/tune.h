// The autotuner: measures every candidate of every descriptor on the real device.
#pragma once

#include "base/json.h"
#include "compiler/compile.h"

namespace ingot {

struct TuneReport {
  int descriptors = 0;
  int timed = 0;   // (kernel, tactic) pairs and sequences of steps measured now
  int cached = 0;  // taken from the timing cache
  double milliseconds = 0;
  std::string stopped;  // why tuning ended early (a kernel broke the device); empty if it did not
  // Per descriptor: candidates with times, rejections with reasons, the winner. Behind them, per
  // group of steps that fused ones could run: the ways to run it with times, the winner.
  Json details;
};

// Winners for all steps and buckets of the plan. Descriptors that the budget did not reach are left
// out (binding falls back to heuristics). A candidate that throws or disagrees with the others is
// skipped and reported. Operands live on the device. Where it captures graphs, a candidate's time
// is the mean over a graph of launches on different weights, by the device's clock; a kernel that
// cannot be captured is timed launch by launch, as everything is on the host's own processor. A
// kernel after whose failure the device does not work any more (a CUDA context never recovers from
// an illegal access) ends the tuning: what was measured stands, the timing cache names the kernel,
// and the process cannot use that device again. Fused steps are chosen in their place: see
// compiler/tune_fusion.h.
DeviceSection tune(const Engine& engine, Device& device, TimingCache* timings, double seconds,
                   TuneReport& report);

}  // namespace ingot
