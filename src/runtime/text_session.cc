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
  out.scheduler.fair = options.fair;
  out.share_queue = options.share_queue;
  out.max_queued_requests = options.max_queued_requests;
  out.max_queued_tokens = options.max_queued_tokens;
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
  if (reason == FinishReason::kFormFault) {
    fail(ErrorCode::kUnsupported, kWhere, "{}", kFormFaultText);
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
      loop_(runner_, loop_options(options), clock_),
      room_(std::min(context(), loop_.scheduler().kv().capacity_tokens())) {}

Request prepare_request(const GenerateInput& input, const ModelLimits& limits, int64_t room) {
  check_prompt_fits(input.prompt.size(), room);
  validate(input.sampling, limits.vocab_size);
  const int64_t rows = std::max(input.sampling.n, input.sampling.beam_width);
  if (rows > limits.max_batch_rows) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "choices or beams: expected at most {} (sequences that run together), found {}",
         limits.max_batch_rows, rows);
  }
  const int64_t values =
      static_cast<int64_t>(input.prompt.size()) * (input.sampling.prompt_logprobs + 1);
  if (values > kMaxPromptValues) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "prompt_logprobs: expected at most {} values, prompt tokens times (prompt_logprobs + 1), "
         "found {}",
         kMaxPromptValues, values);
  }
  for (int32_t id : input.prompt) {
    if (id >= 0 && id < limits.vocab_size) continue;
    fail(ErrorCode::kInvalidArgument, kWhere, "prompt id {}: expected 0 to {}", id,
         limits.vocab_size - 1);
  }
  if (!input.stops.empty() && !input.tokenizer) {
    fail(ErrorCode::kInvalidArgument, kWhere, "stop strings need a tokenizer");
  }
  Request request;
  request.prompt = input.prompt;
  request.sampling = input.sampling;
  return request;
}

Generation TextSession::generate(const GenerateInput& input,
                                 const std::function<void(std::string_view)>& on_text) {
  if (input.sampling.n > 1) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "n: expected 1 (generate() gives one answer), found {}", input.sampling.n);
  }
  Request request = prepare(input);
  AnswerText answer(input.tokenizer, {.stops = input.stops}, [&](const TextPiece& piece) {
    if (on_text && !piece.text.empty()) on_text(piece.text);
  });
  const auto outbox = loop_.submit(std::move(request));
  bool done = false;
  while (!done) {
    loop_.step();
    try {
      while (const TokenEvent* event = outbox->poll()) {
        done = event->request_done;
        answer.take(*event);
      }
    } catch (...) {
      outbox->cancel();  // or it would go on behind the next request
      throw;
    }
    if (answer.stopped() || (input.cancel && input.cancel->load())) outbox->cancel();
  }
  check_finish(answer.result().finish);
  answer.end();
  return answer.result();
}

}  // namespace ingot
