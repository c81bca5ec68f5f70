// Runs a plan on a device: binds it once, then walks its flat step list with a static arena.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/selection.h"
#include "tensor/buffer.h"

namespace ingot {

class Comm;

// A low-rank addition to a weight, chosen at load: W + scale * b * a. `tensor` names the canonical
// tensor (a piece of a merged weight is fine); a is [rank, columns], b is [rows, rank], float32 or
// 16-bit. The views must outlive the executor.
struct Adapter {
  std::string tensor;
  TensorView a;
  TensorView b;
  double scale = 1.0;
};

// One step that has just run. The views are of device memory, valid during the call alone.
struct StepSeen {
  size_t index = 0;  // in the outermost plan's steps
  std::string_view kernel;
  std::span<const TensorView> outputs;
};

struct ExecutorOptions {
  SymbolValues limits;  // replaces the engine's default limits, symbol by symbol
  SelectionOptions selection;
  std::vector<Adapter> adapters;
  // Canonical weights may keep this many mapped bytes resident at a time (one step's own weights
  // are allowed even above it); 0 = no limit. Under a limit weights are dropped from memory only as
  // far as the next step needs the room, hinted one step ahead, and never packed.
  int64_t weight_memory_limit = 0;
  Comm* comm = nullptr;
  // Where work is queued; nullptr: a stream of the executor's own. Executors on one stream see each
  // other's results in order, without waiting. It outlives the executor.
  Stream* stream = nullptr;
  // Called after each step of the outermost plan that was launched, control flow left out
  // (comparisons).
  // Nothing is captured while it is set.
  std::function<void(const StepSeen&)> on_step;
  bool capture = false;  // replay captured graphs where the device can
  // Runs that may be under way when inputs of the next are set, on a device apart: submit() waits
  // for the one that many before. Each has host memory for its inputs.
  size_t runs_ahead = 1;
};

struct StepTiming {
  std::string op;
  std::string kernel;
  std::string origin;
  double microseconds = 0;  // by the device's clock where it has one
  // Of the plan; several where fused steps ran in their place, each of which names them all.
  std::vector<size_t> steps;
};

// One thread at a time. The device must outlive the executor.
class Executor {
 public:
  Executor(std::shared_ptr<const Engine> engine, Device& device, ExecutorOptions options = {});
  ~Executor();

  const Plan& plan() const;
  const SymbolValues& limits() const;

  // Copies host data into an input. The shape must fit the input's type: symbols get their values
  // here. Error{kInvalidArgument} names the input, the expected and the found type.
  void set_input(std::string_view name, const TensorView& host);
  // Device memory of an input at its limits, to be filled without a copy; then set_symbol.
  TensorView input_storage(std::string_view name);
  // Reads the input from device memory of the caller's (another executor's output), which has room
  // for the type at its limits and outlives the executor; then set_symbol. Error{kInvalidArgument}
  // when the element type differs.
  void share_input(std::string_view name, const TensorView& device);
  void set_symbol(std::string_view name, int64_t value);  // Error{kInvalidArgument} above the limit

  // Runs every step. Error{kInvalidArgument} when a symbol has no value.
  void run();
  // As run(), but returns when everything is queued: inputs may be set and the next run submitted
  // while the device still works. Waits only for the run ExecutorOptions::runs_ahead back, which
  // may still read a host copy of an input. `capture` in place of ExecutorOptions::capture: sizes
  // that hardly come again are not worth a graph.
  void submit(bool capture);
  Stream& stream();

  // Views of device memory, valid until the next run().
  TensorView output(std::string_view name) const;
  TensorView output(size_t index) const;
  // Memory of an output at the limits, the same in every run: another executor's share_input.
  TensorView output_storage(std::string_view name) const;
  // The view itself where the host can read it, else a copy of it in `memory`.
  TensorView fetch(const TensorView& view, std::vector<std::byte>& memory);
  // Persistent memory of a state, zero when the executor is made.
  TensorView state(std::string_view name) const;
  // Copies between places of device memory (KV pages), ordered before the next run().
  void copy_within(std::byte* target, const std::byte* source, size_t bytes);

  // Distinct kernel names launched so far, sorted.
  std::vector<std::string> kernels_used() const;
  // Per-step times of the runs since enable_profile(true), summed by step.
  void enable_profile(bool on);
  std::vector<StepTiming> profile() const;

  struct MemoryUse {
    int64_t arena = 0;
    int64_t arena_bound = 0;
    int64_t states = 0;
    int64_t inputs = 0;
    int64_t owned_weights = 0;  // packed or uploaded copies
    std::string text;           // memory_text() of the plan
  };
  MemoryUse memory() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
