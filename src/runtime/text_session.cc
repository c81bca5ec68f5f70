#include "runtime/text_session.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/knobs.h"
#include "runtime/decoder_step.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/text_session";

EngineRunnerOptions runner_options(const Engine& engine, const SessionOptions& options) {
  EngineRunnerOptions out;
  const int64_t most = engine_context(engine);
  out.max_seq_len = options.context > 0 ? std::min(options.context, most) : most;
  out.max_batch_rows = options.sequences;
  const auto limit = engine.plan.limits.find("tokens");
  const int64_t built_for = limit == engine.plan.limits.end() ? 512 : limit->second;
  const int64_t wanted = options.step_tokens > 0 ? options.step_tokens : built_for;
  out.max_batch_tokens = std::max(options.sequences, wanted);
  out.kv_pages = kv_blocks(out.max_seq_len) * options.sequences;
  out.executor.selection.reference = options.reference || knob_bool("reference");
  out.executor.selection.invariant = knob_bool("invariant");
  return out;
}

LoopOptions loop_options(const SessionOptions& options) {
  LoopOptions out;
  out.scheduler.prefix_cache = options.prefix_cache && knob_bool("prefix_cache");
  out.overlap = knob_bool("overlap");
  return out;
}

// Tokens of one request on their way to text.
class Answer {
 public:
  Answer(const GenerateInput& input, const std::function<void(std::string_view)>& on_text,
         Generation& out)
      : input_(input), on_text_(on_text), out_(out), stops_(input.stops) {
    if (input.tokenizer) detokenizer_.emplace(*input.tokenizer);
  }

  void take(const TokenEvent& event) {
    if (stopped_) return;
    for (size_t i = 0; i < event.count && !stopped_; ++i) {
      if (out_.token_ids.empty()) {
        out_.prefill_ms = watch_.ms();
      }
      out_.token_ids.push_back(event.tokens[i]);
      if (i < event.logprobs.size()) out_.logprobs.push_back(event.logprobs[i]);
      const bool ending = event.finish == FinishReason::kStop && i + 1 == event.count;
      if (detokenizer_ && !ending) say(stops_.push(detokenizer_->push(event.tokens[i])));
      stopped_ = stops_.stopped();
    }
    if (event.finish != FinishReason::kNone) out_.finish = event.finish;
    if (stopped_) out_.finish = FinishReason::kStop;
    if (!out_.token_ids.empty()) out_.decode_ms = watch_.ms() - out_.prefill_ms;
  }

  bool stopped() const { return stopped_; }

  void end() {
    if (!detokenizer_ || stopped_) return;
    say(stops_.push(detokenizer_->flush()));
    say(stops_.flush());
  }

 private:
  void say(const std::string& text) {
    if (text.empty()) return;
    out_.text += text;
    if (on_text_) on_text_(text);
  }

  const GenerateInput& input_;
  const std::function<void(std::string_view)>& on_text_;
  Generation& out_;
  StopMatcher stops_;
  std::optional<Detokenizer> detokenizer_;
  Stopwatch watch_;
  bool stopped_ = false;
};

void check_finish(FinishReason reason) {
  if (reason == FinishReason::kInternal) {
    fail(ErrorCode::kInternal, kWhere, "a step failed; the log says more");
  }
  if (reason == FinishReason::kBadLogits) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "logits are not finite: the model's weights or this precision overflow");
  }
  if (reason == FinishReason::kOutOfMemory) {
    fail(ErrorCode::kOutOfMemory, kWhere, "no memory for the next step");
  }
}

}  // namespace

int64_t engine_context(const Engine& engine) { return read_decoder_plan(engine.plan).max_seq_len; }

void check_prompt_fits(size_t prompt_tokens, int64_t context) {
  if (prompt_tokens == 0) fail(ErrorCode::kInvalidArgument, kWhere, "the prompt has no tokens");
  if (static_cast<int64_t>(prompt_tokens) < context) return;
  fail(ErrorCode::kInvalidArgument, kWhere,
       "prompt: expected fewer than {} tokens (the context holds prompt and answer), found {}",
       context, prompt_tokens);
}

TextSession::TextSession(std::shared_ptr<const Engine> engine, Device& device,
                         const SessionOptions& options)
    : runner_(engine, device, runner_options(*engine, options)),
      loop_(runner_, loop_options(options), clock_) {}

Generation TextSession::generate(const GenerateInput& input,
                                 const std::function<void(std::string_view)>& on_text) {
  check_prompt_fits(input.prompt.size(), context());
  const int64_t vocab = runner_.limits().vocab_size;
  validate(input.sampling, vocab);
  for (int32_t id : input.prompt) {
    if (id >= 0 && id < vocab) continue;
    fail(ErrorCode::kInvalidArgument, kWhere, "prompt id {}: expected 0 to {}", id, vocab - 1);
  }
  if (!input.stops.empty() && !input.tokenizer) {
    fail(ErrorCode::kInvalidArgument, kWhere, "stop strings need a tokenizer");
  }
  Generation out;
  Answer answer(input, on_text, out);
  Request request;
  request.prompt = input.prompt;
  request.sampling = input.sampling;
  const auto outbox = loop_.submit(std::move(request));
  bool done = false;
  while (!done) {
    loop_.step();
    while (const TokenEvent* event = outbox->poll()) {
      done = event->request_done;
      answer.take(*event);
    }
    if (answer.stopped() || (input.cancel && input.cancel->load())) outbox->cancel();
  }
  check_finish(out.finish);
  answer.end();
  return out;
}

}  // namespace ingot
