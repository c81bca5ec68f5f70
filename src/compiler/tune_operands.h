// Operands of one descriptor while it is tuned, on any device.
#pragma once

#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "compiler/tune_jobs.h"
#include "engine/engine.h"
#include "engine/selection.h"
#include "engine/weights.h"
#include "kernels/kernel_def.h"
#include "tensor/buffer.h"

namespace ingot {

// Memory that descriptors use one after the other: fresh pages cost more than many a kernel. Not
// thread safe; the device and the stream must outlive it.
class TuneMemory {
 public:
  TuneMemory(Device& device, Stream& stream) : device_(device), stream_(stream) {}
  void rewind() { used_ = 0; }  // what take() gave is free again
  void release();               // gives all of it back to the device
  std::byte* take(size_t bytes);
  // Reads a page each of a weight in host memory, once: no candidate should pay for reading the
  // file because it is the first one.
  void touch(const TensorView& piece);
  // Copy number `copy` (>= 1) of a weight's piece of `bytes` bytes, made once.
  TensorView clone(const TensorView& piece, size_t bytes, size_t copy);

 private:
  Device& device_;
  Stream& stream_;
  std::vector<Buffer> buffers_;
  size_t used_ = 0;
  std::set<const std::byte*> touched_;
  std::map<std::pair<const std::byte*, size_t>, Buffer> clones_;
};

// Some elements of one output.
struct OutputSample {
  std::vector<float> values;
  bool exact = false;  // integers
};

// Weights come from the engine: each step's own, and copies of them where they alone would stay in
// the device's cache. Floats, KV states included, are random; integer inputs are what the operator
// calls representative, else zeros. Alone in `memory` while it lives; `job` must outlive it.
class TuneOperands {
 public:
  TuneOperands(const TuneJob& job, const Engine& engine, Device& device, Stream& stream,
               WeightStore& weights, TuneMemory& memory);

  // Sets of weights before the first one is used again.
  size_t rounds() const { return job_.steps.size() * copies_; }
  // Views with the weights of that round in the layouts of the candidate. Valid until the next
  // call.
  LaunchArgs args(const Selection& candidate, size_t round);
  // Zeroes outputs that are not an input's memory, so that a kernel that writes nothing shows.
  void clear_outputs();
  // Rows of each output, spread over it, once the stream's work is done. Not of blocks, nor of
  // outputs that are an input's memory: rows of several sequences may share their places there, and
  // what a run before wrote is still there.
  std::vector<OutputSample> sample_outputs();

 private:
  TensorView make(const OperandDesc& operand);
  void fill(const OperandDesc& operand, const TensorView& view);
  void fill_indices(const TensorView& view, const std::vector<int64_t>& values);
  size_t copies_wanted() const;
  bool is_input_memory(const TensorView& out) const;

  const TuneJob& job_;
  const Engine& engine_;
  Device& device_;
  Stream& stream_;
  WeightStore& weights_;
  TuneMemory& memory_;
  size_t copies_ = 1;
  std::vector<TensorView> inputs_;
  std::vector<TensorView> outputs_;
  std::vector<std::vector<TensorView>> pieces_;
  std::vector<std::span<const TensorView>> segments_;
};

}  // namespace ingot
