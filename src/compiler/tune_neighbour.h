// A short step that stands between the launches of a candidate while a device graph times it. In a
// plan no kernel follows itself: what it costs there includes how well its start and end overlap
// with small kernels around it, which a chain of one kernel does not show.
#pragma once

#include <memory>

#include "kernels/kernel_def.h"
#include "tensor/buffer.h"

namespace ingot {

// An RMS norm of one row in bfloat16, which lets the next kernel start when those before it have
// ended: beside one that does so at once, candidates run into each other as they do not in a plan,
// and rank otherwise (docs/decisions.md, 91). Not thread safe; the device and the stream must
// outlive it.
class TuneNeighbour {
 public:
  TuneNeighbour(Device& device, Stream& stream);
  // Whether the device has a kernel for it that can be captured; if not, launch() does nothing.
  bool present() const { return instance_ != nullptr; }
  void launch();
  // What one takes in a graph of them alone: to be subtracted from a candidate's time. Measured
  // once, at the first call; 0 where there is none. The stream must be idle.
  double microseconds(DeviceTimer& timer);

 private:
  Device& device_;
  Stream& stream_;
  std::unique_ptr<KernelInstance> instance_;
  Buffer memory_, workspace_;
  double microseconds_ = -1;
};

}  // namespace ingot
