// The requests of one call in the step loop: submitted together, read on the call's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/answer_text.h"
#include "server/call.h"
#include "server/live_requests.h"
#include "server/metrics.h"
#include "server/served_model.h"

namespace ingot {

struct ApiError;

class Answers {
 public:
  // Choices are counted through all requests: the first request's, then the second's.
  using OnText = std::function<void(int32_t choice, const TextPiece& piece)>;
  using OnEnd = std::function<void(int32_t choice, const Generation& result)>;
  Answers(Call& call, ServedModel& model, OnText on_text, OnEnd on_end);
  ~Answers();  // cancels what has not ended
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  void submit(Request request, const AnswerTextOptions& text);

  enum class Step { kNews, kQuiet, kOver, kGone };
  // Hands over what has come (a stream's frames bound how much), or waits for it: kNews. kQuiet:
  // nothing came for ping_interval. kOver: all choices have ended. kGone: the client has. ApiError
  // when a request failed.
  Task<Step> next();
  // As next() until all have ended. False: the client is gone.
  Task<bool> finish();

  // Answers by an event stream: sends `frames`, and what the callbacks add to it, until all choices
  // have ended; what is then in it is left to the caller. False: the client is gone. While a client
  // does not read, events stay tokens, and only ServerOptions::max_unread_bytes of them are made.
  Task<bool> stream(std::string& frames);

  int32_t choices() const { return choices_; }
  const Generation& result(int32_t choice) const;
  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t output_tokens() const { return output_tokens_; }
  int64_t cached_tokens() const;
  // About as many as a whole answer's JSON has: tokens, and log probabilities beside each.
  int64_t reply_values() const;
  // OpenAI's "usage" and llama-server's "timings".
  Json usage() const;
  Json timings() const;

 private:
  struct One;
  bool take();
  bool over() const;
  void check_ending() const;
  void when_full(int64_t held);
  void measure(One& one, size_t choice, std::chrono::steady_clock::time_point now);
  void count_end(const One& one, int32_t choice, std::chrono::steady_clock::time_point now);
  static std::optional<Metrics::Finished::Phases> phases_of(
      const One& one, const Generation& result, std::chrono::steady_clock::time_point now);
  void check(const One& one, const Generation& result) const;
  ApiError too_long(const One& one) const;

  Call& call_;
  ServedModel& model_;
  OnText on_text_;
  OnEnd on_end_;
  std::vector<std::unique_ptr<One>> requests_;
  std::unique_ptr<LiveRequest> live_;
  int32_t choices_ = 0;
  int64_t prompt_tokens_ = 0;
  int64_t output_tokens_ = 0;            // of all choices, those behind a stop string not counted
  const std::string* frames_ = nullptr;  // of stream()
  int64_t most_held_ = 0;                // bytes beside events, of a client that did not read
  std::chrono::steady_clock::time_point last_news_ = std::chrono::steady_clock::now();
};

// "stop" or "length"; others are errors.
std::string_view openai_finish_reason(FinishReason reason);

}  // namespace ingot
