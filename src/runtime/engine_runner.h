// A text model's engine as a ModelRunner: forward plan (decoder_step.h), then sample plan, on one
// stream. On a device that works beside the host a step may be submitted before the one before it
// was collected: the tokens that it starts from are then filled in on the device, and decode steps
// are padded to a few sizes, whose launches are captured and replayed. The scheduler's state groups
// are the plan's block tables: groups that share a table share its pages.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/executor.h"
#include "runtime/decoder_step.h"
#include "runtime/grammar_masks.h"
#include "runtime/model_runner.h"
#include "runtime/sample_plan.h"
#include "runtime/step_clock.h"
#include "tensor/buffer.h"

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
  std::function<void(int32_t slot)> on_mask_work;  // tests: see GrammarMasks
};

// What a runner of these options takes: the scheduler's limits, and the plan's symbols.
// `asynchronous`: on a device that the host does not see, where each block table has a page more,
// which rows that only fill a step up write to. Error{kUnsupported} as EngineRunner.
struct RunnerLimits {
  ModelLimits model;
  SymbolValues symbols;
  std::vector<PageId> scratch;  // by table: that page
};
RunnerLimits runner_limits(const DecoderPlan& decoder, const Plan& plan,
                           const EngineRunnerOptions& options, bool asynchronous);

class EngineRunner final : public ModelRunner {
 public:
  // `device` outlives the runner. Error{kUnsupported} when the plan is not a text model's forward
  // plan, Error{kOutOfMemory} when its states do not fit.
  EngineRunner(std::shared_ptr<const Engine> engine, Device& device, EngineRunnerOptions options);
  ~EngineRunner() override;

  const ModelLimits& limits() const override { return limits_; }
  bool asynchronous() const override { return asynchronous_; }
  void submit(const Batch& batch) override;
  void collect(StepResult& result) override;
  // Rows in a grammar whose mask is late.
  std::span<const size_t> put_off() const override;
  bool can_draw(int32_t slot) override { return masks_->ready(slot); }
  void on_can_draw(const std::function<void()>& wake) override { masks_->on_ready(wake); }
  Executor& executor() { return *executor_; }

  // Measures steps from the next one on (step_clock.h), until take_step_times(). Nothing where
  // steps run inside submit(): the host is the device.
  void time_steps();
  std::vector<StepTime> take_step_times();

 private:
  struct Slot {
    std::shared_ptr<const Request> request;
    int32_t choice = 0;
    std::vector<TokenId> tokens;  // prompt, outputs, and what was sampled since
    int32_t unread = 0;           // tokens behind those that were drawn but not read back
    uint64_t start = 0;           // counts what the slot has held
  };
  // A step that was submitted and not collected.
  struct InFlight {
    const Batch* batch = nullptr;
    size_t turn = 0;                                     // of the sampler
    std::vector<uint64_t> starts;                        // of each row's slot
    std::vector<std::shared_ptr<const Request>> scored;  // of each row with prompt logits
    std::vector<size_t> unmasked;                        // rows whose grammar cannot go on
    std::vector<size_t> put_off;                         // rows that are not drawn, ascending
    bool draws(size_t row) const;
    bool settled = false;  // result and slots hold what was drawn
    StepResult result;
  };
  void make_feed(Device& device);
  void start_slots(const Batch& batch);
  void copy_pages(const Batch& batch);
  void forward(const Batch& batch);
  void add_rows(const Batch& batch);
  void pad_rows(const Batch& batch);
  void add_sample_rows(const Batch& batch, const BatchRow& row);
  void add_prompt_rows(const Batch& batch, const BatchRow& row);
  void sample(const Batch& batch, InFlight& step);
  void set_masks(const Batch& batch, InFlight& step);
  std::chrono::nanoseconds mask_patience(const Batch& batch) const;
  void settle(InFlight& step);
  void settle_row(const BatchRow& row, Slot& slot, bool current, std::span<Sampler::Drawn> drawn,
                  RowResult& out);
  static void settle_prompt(const Request& request, std::span<Sampler::Drawn> scored,
                            RowResult& out);

  Device& device_;
  bool asynchronous_ = false;
  bool capture_ = false;  // decode steps
  DecoderPlan decoder_;
  ModelLimits limits_;
  std::unique_ptr<Executor> executor_;
  // Token ids with references to drawn tokens -> token ids. nullptr where steps never overlap.
  std::unique_ptr<Executor> feed_;
  Buffer kept_;  // int32 [slots]: the last token drawn for each
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::vector<TensorView>> states_;  // of each block table
  std::vector<Slot> slots_;
  std::unique_ptr<GrammarMasks> masks_;  // of the slots
  std::deque<InFlight> in_flight_;
  size_t next_turn_ = 0;
  std::unique_ptr<StepClock> clock_;  // kept once it was wanted
  bool timing_ = false;
  std::vector<PageId> scratch_;  // by table: a page that padding writes to
  // Reused from step to step.
  DecoderStep step_;
  std::vector<TokenId> row_tokens_;
  std::vector<SampleRow> sample_rows_;
  std::vector<Sampler::Drawn> drawn_;
};

}  // namespace ingot
