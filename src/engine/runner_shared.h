// What an executor's runners share: the device's stream and workspace, weights, selections of
// kernels. One thread at a time uses it, that of the run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/weights.h"

namespace ingot {

// What all runners of one executor share.
struct RunnerShared {
  RunnerShared(const Engine& e, Device& d, const ExecutorOptions& o);
  std::byte* workspace(size_t bytes);  // grows; pointers change only when it does

  const Engine& engine;
  Device& device;
  const ExecutorOptions& options;
  SymbolValues limits;
  WeightStore weights;
  const DeviceSection* section;
  std::unique_ptr<Stream> own_stream;  // nullptr: options.stream
  Stream& stream;
  Buffer workspace_buffer;
  uint64_t workspace_generation = 0;
  std::set<std::string> kernels_used;
  std::map<std::string, Selection> selections;  // by descriptor text
  LayoutVotes::Allowed layouts;                 // by WeightStore::key()
  // Loops come from files: they end, and what they collect has a bound (knobs loop_iterations,
  // loop_sizes).
  bool wait_kernels = false;    // knob, on a device that works beside the host
  int64_t most_iterations = 0;  // of all loops in one run
  int64_t iterations = 0;       // so far
  int64_t most_size = 0;        // of symbols that have no limit
  // Integer inputs as they were last set, for kernels that plan a step on the host.
  struct HostInput {
    TensorView view;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, HostInput, std::less<>> host_inputs;
};

}  // namespace ingot
