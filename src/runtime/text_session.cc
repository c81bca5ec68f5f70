#include "runtime/text_session.h"

#include <algorithm>

#include "base/error.h"
#include "base/knobs.h"
#include "runtime/decoder_step.h"
#include "runtime/session_memory.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/text_session";

// Before the runner takes its memory.
EngineRunnerOptions fitting_options(const Engine& engine, const SessionOptions& options,
                                    const Device& device) {
  check_session_fits(session_memory(engine, options, device));
  return session_runner_options(engine, options);
}

LoopOptions loop_options(const SessionOptions& options) {
  LoopOptions out;
  out.scheduler.prefix_cache = options.prefix_cache && knob_bool("prefix_cache");
  out.overlap = knob_bool("overlap");
  return out;
}

void check_finish(FinishReason reason) {
  if (reason == FinishReason::kInternal) {
    fail(ErrorCode::kInternal, kWhere, "a step failed; the log says more");
  }
  if (reason == FinishReason::kBadLogits) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "logits are not finite: the model's weights or this precision overflow");
  }
  if (reason == FinishReason::kOutOfMemory) {
    fail(ErrorCode::kOutOfMemory, kWhere,
         "no memory for the next step (the log says what was asked for)");
  }
}

}  // namespace

EngineRunnerOptions session_runner_options(const Engine& engine, const SessionOptions& options) {
  EngineRunnerOptions out;
  const int64_t most = engine_context(engine);
  out.max_seq_len = options.context > 0 ? std::min(options.context, most) : most;
  out.max_batch_rows = options.sequences;
  const auto limit = engine.plan.limits.find("tokens");
  const int64_t built_for = limit == engine.plan.limits.end() ? 512 : limit->second;
  const int64_t wanted = options.step_tokens > 0 ? options.step_tokens : built_for;
  out.max_batch_tokens = std::max(options.sequences, wanted);
  out.kv_pages =
      options.kv_pages > 0 ? options.kv_pages : kv_blocks(out.max_seq_len) * options.sequences;
  out.executor.selection.reference = options.reference || knob_bool("reference");
  out.executor.selection.invariant = knob_bool("invariant");
  return out;
}

int64_t engine_context(const Engine& engine) { return read_decoder_plan(engine.plan).max_seq_len; }

void check_prompt_fits(size_t prompt_tokens, int64_t context) {
  if (prompt_tokens == 0) fail(ErrorCode::kInvalidArgument, kWhere, "the prompt has no tokens");
  if (static_cast<int64_t>(prompt_tokens) < context) return;
  fail(ErrorCode::kInvalidArgument, kWhere,
       "prompt: expected fewer than {} tokens (the context holds prompt and answer), found {}",
       context, prompt_tokens);
}

TextSession::TextSession(const std::shared_ptr<const Engine>& engine, Device& device,
                         const SessionOptions& options)
    : runner_(engine, device, fitting_options(*engine, options, device)),
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
  AnswerText answer(input.tokenizer, input.stops, on_text);
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
  check_finish(answer.result().finish);
  answer.end();
  return answer.result();
}

}  // namespace ingot
