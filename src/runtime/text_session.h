// A text model ready to answer: engine, runner and step loop, with text in and out.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "runtime/answer_text.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "runtime/text_assets.h"

namespace ingot {

struct SessionOptions {
  bool reference = false;   // reference kernels only
  int64_t context = 0;      // most tokens of a sequence; 0: what the model allows
  int64_t sequences = 1;    // that run together
  int64_t step_tokens = 0;  // most packed tokens of a step; 0: the engine's limit
  bool prefix_cache = true;
  bool fair = true;          // SchedulerOptions
  bool share_queue = false;  // LoopOptions
  // KV pages of each block table; 0: `sequences` of `context` tokens.
  int64_t kv_pages = 0;
  // As LoopOptions'; 0: no bound.
  int64_t max_queued_requests = 0;
  int64_t max_queued_tokens = 0;
};

// The runner that a session of these options has.
EngineRunnerOptions session_runner_options(const Engine& engine, const SessionOptions& options);

// Most tokens of one sequence, prompt and answer together, that the engine was made for.
// Error{kUnsupported} when it is no text model's.
int64_t engine_context(const Engine& engine);

// Error{kInvalidArgument} unless the prompt leaves room for a token in `context`.
void check_prompt_fits(size_t prompt_tokens, int64_t context);

struct GenerateInput {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  std::vector<std::string> stops;             // strings that end the answer; not part of the text
  const Tokenizer* tokenizer = nullptr;       // null: ids only
  const std::atomic<bool>* cancel = nullptr;  // looked at between steps
};

// What Loop::submit() takes, but for priority, deadline and tenant. `room`: most tokens of prompt
// and answer together. Any thread. Error{kInvalidArgument} for parameters out of range, more
// choices or beams than rows of a step, an empty prompt, one that does not fit, ids outside the
// vocabulary, stop strings without a tokenizer.
Request prepare_request(const GenerateInput& input, const ModelLimits& limits, int64_t room);

// generate() runs steps on the caller. A server runs loop() on a thread of its own instead; its
// workers prepare() and submit requests and collect an AnswerText from each outbox.
class TextSession {
 public:
  // KV pages are taken for `sequences` of `context` tokens and no more. `device` outlives this.
  // Error{kOutOfMemory} before anything is taken, see check_session_fits().
  TextSession(const std::shared_ptr<const Engine>& engine, Device& device,
              const SessionOptions& options);

  // Any thread. prepare_request() for this session.
  Request prepare(const GenerateInput& input) const {
    return prepare_request(input, loop_.limits(), room_);
  }

  // Runs one request of one choice to its end. `on_text` gets text as it becomes certain (may be
  // empty); an exception of it cancels the request and goes on to the caller. Errors as prepare();
  // {kInternal, kOutOfMemory} when steps failed.
  Generation generate(const GenerateInput& input,
                      const std::function<void(std::string_view)>& on_text);

  int64_t context() const { return runner_.limits().max_seq_len; }
  // Most tokens of one sequence: the context, or what the pages hold.
  int64_t room() const { return room_; }
  Loop& loop() { return loop_; }
  EngineRunner& runner() { return runner_; }
  Executor& executor() { return runner_.executor(); }

 private:
  SteadyClock clock_;
  EngineRunner runner_;
  Loop loop_;
  const int64_t room_;
};

}  // namespace ingot
