#include "server/embedding_call.h"

#include "server/api_error.h"
#include "server/server_state.h"

namespace ingot {

EmbeddingCall::EmbeddingCall(Call& call, ServedModel& model,
                             std::vector<std::vector<int32_t>> sequences)
    : call_(call), live_(call.server().live, call.id(), call.request().path) {
  const auto count = static_cast<int64_t>(sequences.size());
  job_ = model.require_embeddings().queue->submit(
      std::move(sequences), [wakeup = call.wakeup()] { wakeup->ring(); },
      call.deadline_ns().value_or(0));
  live_.add_prompt(job_->tokens(), count);
}

EmbeddingCall::~EmbeddingCall() {
  if (!job_->ended()) job_->cancel();
  call_.prompt_tokens += live_.prompt_tokens();
}

Task<bool> EmbeddingCall::finish() {
  constexpr std::chrono::milliseconds kTick{500};  // until the server's end is noticed
  while (!job_->ended()) {
    if (call_.gone()) co_return false;
    if (call_.server().ending.load()) {
      throw unavailable("the server is shutting down", call_.server().retry_after_s());
    }
    const bool rung = co_await call_.wakeup()->wait(kTick);
    static_cast<void>(rung);
  }
  count_end();
  check();
  co_return true;
}

void EmbeddingCall::count_end() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin_;
  call_.server().metrics().request_finished({.reason = finish_reason_name(job_->reason()),
                                             .prompt_tokens = job_->tokens(),
                                             .output_tokens = 0,
                                             .seconds = took.count(),
                                             .seconds_per_token = 0});
}

void EmbeddingCall::check() const {
  switch (job_->reason()) {
    case FinishReason::kStop:
      return;
    case FinishReason::kOverloaded:
      throw too_busy(call_.server().retry_after_s());
    case FinishReason::kTimeout:
      throw took_too_long();
    case FinishReason::kOutOfMemory:
      throw unavailable("no memory for this request", call_.server().retry_after_s());
    case FinishReason::kCancelled:
      throw unavailable("the server is shutting down", call_.server().retry_after_s());
    case FinishReason::kBadLogits:
      throw plain_error(500, "the model's output is not finite");
    default:
      throw server_fault();
  }
}

}  // namespace ingot
