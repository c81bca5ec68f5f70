// A text model's engine as a ModelRunner: forward plan, then sample plan. Where the host cannot
// read the device's memory, logits are copied to it and sampled there. The forward plan takes
// packed tokens (inputs token_ids, positions, token_rows [tokens]; query_offsets [batch + 1];
// context_lengths [batch]; block_tables [batch, max_blocks]; logit_rows) and gives `logits` float32
// [logit_rows, vocab]; its states are paged KV.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/executor.h"
#include "runtime/model_runner.h"
#include "runtime/sample_plan.h"

namespace ingot {

struct EngineRunnerOptions {
  // 0: the engine's own limit.
  int64_t max_batch_rows = 0;
  int64_t max_batch_tokens = 0;
  int64_t max_seq_len = 0;
  // KV pages of 32 positions; 0: enough for one sequence of max_seq_len.
  int64_t kv_pages = 0;
  int64_t max_draft = 0;     // guesses a row may carry; each needs a row of logits
  ExecutorOptions executor;  // its limits are filled in
};

class EngineRunner final : public ModelRunner {
 public:
  // `device` outlives the runner. Error{kUnsupported} when the plan is not a text model's forward
  // plan, Error{kOutOfMemory} when its states do not fit.
  EngineRunner(std::shared_ptr<const Engine> engine, Device& device, EngineRunnerOptions options);
  ~EngineRunner() override;

  const ModelLimits& limits() const override { return limits_; }
  // The device runs on the calling thread: a step runs when it is collected.
  bool asynchronous() const override { return false; }
  void submit(const Batch& batch) override;
  void collect(StepResult& result) override;
  Executor& executor() { return *executor_; }

 private:
  struct Slot {
    std::shared_ptr<const Request> request;
    int32_t choice = 0;
    std::vector<TokenId> tokens;  // prompt, outputs, and what was sampled since
  };
  void read_limits(const Plan& plan, EngineRunnerOptions& options);
  void copy_pages(const Batch& batch);
  void forward(const Batch& batch);
  void sample(const Batch& batch, StepResult& result);
  void add_sample_rows(const Batch& batch, const BatchRow& row);

  ModelLimits limits_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Device> sampling_device_;  // nullptr: the device itself samples
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::byte> host_logits_;
  std::vector<std::vector<TensorView>> states_;  // of each state group
  std::vector<Slot> slots_;
  std::deque<const Batch*> queue_;
  // Reused from step to step.
  std::vector<int32_t> token_ids_, positions_, token_rows_, query_offsets_, context_lengths_,
      block_tables_, logit_rows_;
  std::vector<SampleRow> sample_rows_;
  std::vector<Sampler::Drawn> drawn_;
};

}  // namespace ingot
