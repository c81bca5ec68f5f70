// What timing kernels on a device takes: a stream, a timer, the weights, and the rules by which a
// launch is captured, timed and found to have broken the device.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "compiler/timing_cache.h"
#include "compiler/tune.h"
#include "compiler/tune_neighbour.h"
#include "engine/selection.h"
#include "engine/weights.h"
#include "kernels/kernel_def.h"
#include "tensor/buffer.h"

namespace ingot {

// After an illegal access every call to a CUDA context fails until the process ends.
struct DeviceLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What counts of several runs' times: noise only ever adds, so it is steadier than the mean and
// less lucky than the minimum. 0 of none.
double lower_quartile(std::vector<double> values);

// "linear_dot (cuBLASLt 130100) #0e20bb2caa8c": what names a kernel in the timing cache, with a
// hash of its sources.
std::string kernel_name(const KernelDef& kernel);

// The device becomes the calling thread's current one. Not thread safe; engine, device, timings and
// report must outlive it.
class TuneBench {
 public:
  TuneBench(const Engine& engine, Device& device, TimingCache* timings, double seconds,
            TuneReport& report);

  // Whether that share of the time that tuning may take is over.
  bool out_of_time(double share = 1) const { return watch.ms() >= share * budget_ms_; }
  // Makes the workspace that all launches share so large. Before anything is captured: a graph
  // holds its address.
  void reserve(size_t workspace_bytes);
  void enqueue(KernelInstance& instance, const LaunchArgs& args);
  // The launches of `work` as a graph that was replayed once, so that its upload is not timed;
  // nullptr where the device cannot capture. What `work` throws leaves the stream out of capture.
  std::unique_ptr<CapturedGraph> capture(const std::function<void()>& work);
  // Microseconds of what `work` queues.
  double time(const std::function<void()>& work);
  // A kernel has failed. Throws DeviceLost where it took the device with it, having put `key` into
  // the timing cache as refused, which keeps the next build from trying it.
  void check_alive(const std::string& key, const std::string& what);

  const Engine& engine;
  Device& device;
  TimingCache* const timings;  // nullptr: none
  TuneReport& report;
  Stopwatch watch;
  WeightStore weights;
  const std::unique_ptr<Stream> stream;
  const std::unique_ptr<DeviceTimer> timer;
  TuneNeighbour neighbour;

 private:
  double budget_ms_;
  Buffer workspace_;
  Buffer probe_;
};

}  // namespace ingot
