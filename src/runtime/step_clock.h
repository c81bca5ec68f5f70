// How much of the time a device had work, and how long it waited for the host, by its own clock.
//
// A step is handed to the device in pieces (forward, sampling). When the host has queued a piece, a
// mark goes into a second stream, which is empty and so passes it at once; another mark lies in the
// work's own stream behind the piece before. Where the first is the later one, the device had run
// dry: that long, at most, it waited for the host. Work that begins while its piece is still being
// queued (launches one by one) counts as waiting, so the figures err towards the host's side; gaps
// that the device leaves between kernels it already has are not the host's and are not seen.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "tensor/device.h"

namespace ingot {

struct StepTime {
  double span_us = 0;    // from the end of the step before it, or from its begin()
  double waited_us = 0;  // of that: for the host
  bool first = false;    // no step before it
};

// One thread at a time: the one that submits. Costs six events a step.
class StepClock {
 public:
  static constexpr size_t kPieces = 2;

  // Both outlive the clock; `stream` is where the steps' work is queued.
  StepClock(Device& device, Stream& stream);

  void begin();   // nothing of a step is queued yet; one that was begun and not ended is forgotten
  void queued();  // one of its kPieces is
  void end();     // all of them are
  // The next step has none before it: time until then is nobody's.
  void restart();
  // The steps that ended since the last restart() or take(), in order; waits for them.
  std::vector<StepTime> take();

 private:
  struct Marks {
    std::unique_ptr<DeviceTimer> span;                        // end to end of steps
    std::array<std::unique_ptr<DeviceTimer>, kPieces> waits;  // end of a piece to the next queued
    bool first = false;
  };
  Marks fresh();
  void read_oldest();

  Device& device_;
  Stream& stream_;
  std::unique_ptr<Stream> side_;  // always empty
  Marks next_;                    // of the step that is open, or comes next
  bool running_ = false;          // next_ was started by the end of a step
  size_t piece_ = 0;
  std::deque<Marks> ended_;  // not read yet: reading would wait for them
  std::vector<Marks> spare_;
  std::vector<StepTime> times_;
};

}  // namespace ingot
