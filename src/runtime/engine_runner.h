// A text model's engine as a ModelRunner: forward plan (decoder_step.h), then sample plan. Where
// the host cannot read the device's memory, logits are copied to it and sampled there. The
// scheduler's state groups are the plan's block tables: groups that share a table share its pages.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/executor.h"
#include "runtime/decoder_step.h"
#include "runtime/model_runner.h"
#include "runtime/sample_plan.h"

namespace ingot {

struct EngineRunnerOptions {
  // 0: the engine's own limit.
  int64_t max_batch_rows = 0;
  int64_t max_batch_tokens = 0;
  int64_t max_seq_len = 0;
  // KV pages of each block table; 0: enough for one sequence of max_seq_len. A windowed table takes
  // fewer where its windows need fewer.
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
  void set_limits(const Plan& plan, EngineRunnerOptions& options);
  void copy_pages(const Batch& batch);
  void forward(const Batch& batch);
  void sample(const Batch& batch, StepResult& result);
  void add_sample_rows(const Batch& batch, const BatchRow& row);

  DecoderPlan decoder_;
  ModelLimits limits_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Device> sampling_device_;  // nullptr: the device itself samples
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::byte> host_logits_;
  std::vector<std::vector<TensorView>> states_;  // of each block table
  std::vector<Slot> slots_;
  std::deque<const Batch*> queue_;
  // Reused from step to step.
  DecoderStep step_;
  std::vector<TokenId> row_tokens_;
  std::vector<SampleRow> sample_rows_;
  std::vector<Sampler::Drawn> drawn_;
};

}  // namespace ingot
