// What the step loop drives: a model that takes batches and gives sampled tokens. The engine-backed
// runner and the oracle model implement it; the loop and the scheduler know nothing else of a
// model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/kv_blocks.h"
#include "runtime/request.h"
#include "runtime/rotations.h"

namespace ingot {

struct ModelLimits {
  int64_t vocab_size = 0;
  int64_t max_seq_len = 0;       // prompt and output together
  int64_t max_batch_rows = 0;    // rows of a step; also the number of slots
  int64_t max_batch_tokens = 0;  // packed tokens of a step
  std::vector<KvGroup> state_groups;
  Rotations rotations = {};
  // Of a step's tokens, prompt tokens whose logits are wanted beside those to draw from; 0: as
  // many.
  int64_t max_prompt_logits = 0;
  // The set of a request's sequences, or of their prompt.
  int32_t rotation_of(const Request& request) const {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    const int64_t room = std::max<int64_t>(max_seq_len - prompt, 0);
    return rotations.set_of(prompt, prompt + std::min(room, request.sampling.max_tokens));
  }
};

// What one row sampled: 1..kMaxStepTokens tokens for a row with logits (accepted drafts, then one
// more), none for a prefill chunk and for a row whose draw was put off. `logprobs` has `count`
// entries if the request asked for them. Beam rows (SamplingParams::beam_width > 1) return one
// entry whose `top` holds the 2 * beam_width best tokens, and their tokens are ignored.
struct RowResult {
  uint8_t count = 0;
  std::array<TokenId, kMaxStepTokens> tokens{};
  std::vector<TokenLogprobs> logprobs;
  std::vector<TokenLogprobs> prompt_logprobs;  // BatchRow::prompt_count entries
  // kInternal, kOutOfMemory, kBadLogits, kFormFault: this row alone failed
  FinishReason failure = FinishReason::kNone;
};

struct StepResult {
  int64_t step = 0;
  std::vector<RowResult> rows;  // one for each row of the batch
};

// Engine thread alone. Steps run in order of submission; page copies, forward and sampling of step
// N see all effects of step N-1.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  virtual const ModelLimits& limits() const = 0;
  // Whether steps run while the host goes on. False: overlapping steps would gain nothing, and the
  // loop keeps the plain order.
  virtual bool asynchronous() const { return true; }
  // Starts the step; may return before it is done. `batch` stays unchanged until the step was
  // collected. Throws: nothing was started, the step does not exist.
  virtual void submit(const Batch& batch) = 0;
  // Waits for the oldest submitted step. `result` is reused storage. Throws: that step is
  // consumed and its rows have no result.
  virtual void collect(StepResult& result) = 0;
  // Rows of the step submitted last, by index, whose draw was put off since something that it needs
  // was not there: their positions are computed, and collect() gives them no token. Only rows with
  // may_put_off. Valid until the next submit().
  virtual std::span<const size_t> put_off() const { return {}; }
  // Whether the draw of a slot's row that was put off could be made now; once true, true until the
  // slot starts anew or draws.
  virtual bool can_draw(int32_t /*slot*/) { return true; }
  // `wake` is called, on any thread, when can_draw() has become true where it was false, or its row
  // was put off; calls too many do no harm. It must not call the runner; nullptr: nobody wants to
  // know. Once set anew, the old one is not called.
  virtual void on_can_draw(const std::function<void()>& /*wake*/) {}
};

}  // namespace ingot
