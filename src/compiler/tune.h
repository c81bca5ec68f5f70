// The autotuner: measures every candidate of every descriptor on the real device.
#pragma once

#include "base/json.h"
#include "compiler/compile.h"

namespace ingot {

struct TuneReport {
  int descriptors = 0;
  int timed = 0;   // (kernel, tactic) pairs measured now
  int cached = 0;  // taken from the timing cache
  double milliseconds = 0;
  Json details;  // per descriptor: candidates with times, rejections with reasons, the winner
};

// Winners for all steps and buckets of the plan. Descriptors that the budget did not reach are left
// out (binding falls back to heuristics). A candidate that throws or disagrees with the others is
// skipped and reported.
DeviceSection tune(const Engine& engine, Device& device, TimingCache* timings, double seconds,
                   TuneReport& report);

}  // namespace ingot
