// One plan bound to a device: the machinery behind Executor, also used for the bodies of If and
// Loop.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/fusion.h"
#include "engine/memory.h"
#include "engine/runner_shared.h"

namespace ingot {

// Sets or checks symbols so that `type` describes `shape`. Error{kInvalidArgument} naming `name`.
void match_symbols(std::string_view name, const ValueType& type, const TensorView& view,
                   SymbolValues& symbols);

class PlanRunner {
 public:
  PlanRunner(RunnerShared& shared, const Plan& plan);

  // An input's memory from outside (bodies) or its own at the limits (outermost plan).
  void bind_input(int value, const TensorView& view);
  // Queues every step, as a captured graph where asked and possible. Inputs must be bound; symbols
  // of inputs known. Adds symbols that control flow determines.
  void submit(SymbolValues& symbols, bool capture);

  TensorView view(int value) const { return views_[static_cast<size_t>(value)]; }
  // Memory of a state or of an intermediate that owns some; the shape is the caller's business.
  TensorView memory_view(int value) const {
    return {plan_.values[static_cast<size_t>(value)].type.element,
            {},
            bases_[static_cast<size_t>(value)]};
  }
  // Votes of all steps, bodies included, over all buckets; before anything is prepared.
  void vote_layouts(LayoutVotes& votes);
  const MemoryPlan& memory() const { return memory_; }
  int64_t state_bytes() const { return state_bytes_; }
  const Plan& plan() const { return plan_; }

  void enable_profile(bool on);
  std::vector<StepTiming> profile() const;

 private:
  struct BoundStep {
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    // By input; only of weights in several pieces.
    std::vector<std::span<const TensorView>> segments;
    std::vector<int64_t> segment_counts;
    std::vector<std::unique_ptr<KernelInstance>> instances;  // by bucket, made on first use
    std::vector<std::string> kernels;                        // by bucket
    std::vector<std::vector<TensorView>> weight_views;       // by input; empty unless a weight
    // weight_views as each bucket's kernel wants them: layouts may differ from bucket to bucket.
    std::vector<std::vector<std::vector<TensorView>>> bucket_weights;
    const Effects* effects = nullptr;
    bool idle = false;           // is_idle with the shapes now in inputs and outputs
    bool may_disagree = false;   // sizes_may_disagree
    bool sizes_checked = false;  // for the shapes now in inputs and outputs
    double microseconds = 0;
  };

  // Fused steps come behind those of the plan.
  const PlanStep& step_at(size_t index) const {
    const size_t own = plan_.steps.size();
    return index < own ? plan_.steps[index] : *fused_steps_[index - own].step;
  }
  void bind_weights();
  void refresh(const SymbolValues& symbols);
  void refresh_value(int id, const SymbolValues& symbols);
  void fill_step(size_t index);
  // The plan's buckets, and one at the limits where those were raised past the last bucket:
  // instances may size their memory for the bucket, so one must cover whatever runs.
  static std::vector<Bucket> covering_buckets(const Plan& plan, const SymbolValues& limits);
  size_t bucket_for(const SymbolValues& symbols) const;
  // step_kernels.cc
  KernelDesc describe_step(const PlanStep& step, const BoundStep& bound, size_t bucket) const;
  Selection select(const PlanStep& step, const BoundStep& bound, size_t bucket);
  std::vector<size_t> launch_order(size_t bucket);
  void prepare_step(size_t index, size_t bucket);
  void prepare_bucket(size_t bucket);
  void launch(size_t index, size_t bucket);
  void wait_for(size_t index, size_t bucket);
  void stream_weights(size_t index);
  bool can_capture() const;
  void drop_captures();
  bool replay(size_t bucket, const SymbolValues& symbols);
  bool capture(size_t bucket, const SymbolValues& symbols);
  void plan_steps(size_t bucket, const SymbolValues& symbols);
  void run_steps(size_t bucket, SymbolValues& symbols);
  // control_flow.cc
  void run_control(size_t index, SymbolValues& symbols);
  void run_if(const PlanStep& step, SymbolValues& symbols);
  void run_loop(const PlanStep& step, SymbolValues& symbols);
  std::vector<TensorView> call(const PlanStep& step, int64_t subplan,
                               const std::vector<TensorView>& inputs, const SymbolValues& symbols);
  void check_size(const PlanStep& step, const std::string& symbol, int64_t size) const;
  void check_scan(const PlanStep& step, size_t output, int64_t count) const;
  void check_sizes(const PlanStep& step, const ValueType& type, const SymbolValues& symbols) const;
  DeviceTimer& timer(size_t index);
  void find_told();
  void check_declared(const PlanStep& step, const PlanValue& value, const TensorView& view,
                      size_t until, const SymbolValues& symbols) const;
  void count_iteration(const PlanStep& step);
  void set_dynamic(const PlanStep& step, int value, const TensorView& source,
                   SymbolValues& symbols);

  RunnerShared& shared_;
  const Plan& plan_;
  std::vector<Bucket> buckets_;
  std::vector<FusedStep> fused_;
  struct OfFused {
    const PlanStep* step;
    const FusedStep* of;
  };
  std::vector<OfFused> fused_steps_;  // of all of fused_
  MemoryPlan memory_;
  Buffer arena_;
  std::map<int, Buffer> owned_;                    // states, and dynamic values of known size
  std::map<int, std::vector<std::byte>> dynamic_;  // values sized while running
  std::vector<TensorView> views_;                  // by value
  std::vector<std::byte*> bases_;                  // by value: arena, state or input memory
  std::set<int> control_outputs_;                  // no memory before their step has run
  std::vector<BoundStep> steps_;                   // step_at()
  // By bucket: the steps to launch. Views are none, nor what is idle in all of the bucket's runs;
  // fused steps stand where the last of those that they cover would.
  std::vector<std::vector<size_t>> orders_;
  // Symbols whose sizes inputs (0) or a step of control flow (its index + 1) tell first; others may
  // stand for a limit.
  std::map<std::string, size_t> told_at_;
  std::set<size_t> ready_buckets_;
  std::set<size_t> uncapturable_;    // buckets with a kernel that cannot be captured
  std::set<size_t> proven_buckets_;  // whose kernels have all run once
  size_t active_bucket_ = SIZE_MAX;  // whose weight layouts the steps hold
  SymbolValues symbols_;             // of the last refresh
  bool fresh_ = false;               // views_ match symbols_
  std::vector<std::unique_ptr<PlanRunner>> bodies_;
  // By the symbols' values; nullptr: seen once. The first run of a size is not captured: kernels
  // may load code and ask for memory then.
  std::map<SymbolValues, std::unique_ptr<CapturedGraph>> captures_;
  uint64_t captured_generation_ = 0;
  bool profiling_ = false;
  std::vector<std::unique_ptr<DeviceTimer>> timers_;  // by step, made when it is first profiled
  int64_t state_bytes_ = 0;
};

}  // namespace ingot
