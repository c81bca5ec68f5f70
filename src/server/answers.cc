#include "server/answers.h"

#include <algorithm>

#include "server/api_error.h"
#include "server/server_state.h"

namespace ingot {

namespace {

using Time = std::chrono::steady_clock::time_point;

double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// Pages are shared within a key's requests, and within those of equal salts.
Hash128 salt_of(const Hash128& tenant, const Hash128& own) {
  const uint64_t words[] = {tenant.low, tenant.high, own.low, own.high};
  return hash128(std::as_bytes(std::span(words)));
}

std::unique_ptr<LiveRequest> listed(Call& call) {
  return std::make_unique<LiveRequest>(call.server().live, call.id(), call.request().path);
}

// Told of the wire for as long as it lives.
class FullWatch {
 public:
  FullWatch(Call& call, std::function<void(int64_t)> told) : call_(call) {
    call_.tell_full(std::move(told));
  }
  ~FullWatch() { call_.tell_full(nullptr); }
  FullWatch(const FullWatch&) = delete;
  FullWatch& operator=(const FullWatch&) = delete;

 private:
  Call& call_;
};

}  // namespace

struct Answers::One {
  One(Answers& all, int32_t first_choice, int32_t choices, const Tokenizer* tokenizer,
      const AnswerTextOptions& options)
      : first(first_choice),
        text(
            tokenizer, options,
            [&all, first_choice](const TextPiece& piece) {
              if (all.on_text_) all.on_text_(first_choice + piece.choice, piece);
            },
            choices),
        told(static_cast<size_t>(choices), false),
        begin(all.live_->begin()),
        last(static_cast<size_t>(choices), begin) {}
  const int32_t first;
  AnswerText text;
  std::vector<bool> told;  // choices whose end was handed over
  const Time begin;        // of the request, its form's compilation included
  const Time submitted = std::chrono::steady_clock::now();
  std::vector<Time> last;  // of each choice's newest token
  std::shared_ptr<Outbox> outbox;
};

Answers::Answers(Call& call, ServedModel& model, OnText on_text, OnEnd on_end)
    : call_(call),
      model_(model),
      on_text_(std::move(on_text)),
      on_end_(std::move(on_end)),
      live_(call.live ? std::move(call.live) : listed(call)) {
  live_->restart();
}

Answers::~Answers() {
  int64_t unread = 0;
  for (const auto& one : requests_) {
    if (one->outbox) unread += one->outbox->peak_unread();
    if (one->outbox && !one->outbox->done()) one->outbox->cancel();
  }
  if (most_held_ > 0) call_.server().metrics().client_stopped(most_held_ + unread);
  call_.prompt_tokens += live_->prompt_tokens();
  call_.output_tokens += live_->output_tokens();
}

void Answers::submit(Request request, const AnswerTextOptions& text) {
  const int32_t choices = choice_count(request.sampling);
  request.tenant_salt = salt_of(call_.tenant(), request.tenant_salt);
  request.tenant = call_.tenant().low;
  request.deadline_ns = call_.deadline_ns().value_or(request.deadline_ns);
  prompt_tokens_ += static_cast<int64_t>(request.prompt.size());
  call_.server().metrics().request_asked(choices, request.sampling.max_tokens);
  live_->add_prompt(static_cast<int64_t>(request.prompt.size()), choices);
  AnswerTextOptions options = text;
  options.forget_told = on_text_ != nullptr;
  auto one =
      std::make_unique<One>(*this, choices_, choices, model_.assets->tokenizer.get(), options);
  one->outbox =
      model_.loop->submit(std::move(request), [wakeup = call_.wakeup()] { wakeup->ring(); });
  choices_ += choices;
  requests_.push_back(std::move(one));
  // A refusal is there at once; other news is not looked at before next().
  call_.wakeup()->ring_here();
}

// Not more than makes kMostFrames bytes of frames: those behind it may have to wait for the client.
bool Answers::take() {
  constexpr size_t kMostFrames = 8 << 10;
  const auto enough = [&] { return frames_ != nullptr && frames_->size() > kMostFrames; };
  bool news = false;
  const Time now = std::chrono::steady_clock::now();
  for (const auto& one : requests_) {
    while (!enough()) {
      const TokenEvent* event = one->outbox->poll();
      if (event == nullptr) break;
      live_->add_output(event->count);
      const size_t before = one->text.result(event->choice).token_ids.size();
      one->text.take(*event);
      output_tokens_ +=
          static_cast<int64_t>(one->text.result(event->choice).token_ids.size() - before);
      news = true;
      if (event->count > 0) measure(*one, static_cast<size_t>(event->choice), now);
    }
    for (size_t c = 0; c < one->told.size(); ++c) {
      const auto choice = static_cast<int32_t>(c);
      if (one->told[c] || !one->text.ended(choice)) continue;
      one->told[c] = true;
      count_end(*one, choice, now);
      check(*one, one->text.result(choice));
      if (on_end_) on_end_(one->first + choice, one->text.result(choice));
    }
    if (one->text.stopped()) one->outbox->cancel();
  }
  return news;
}

void Answers::measure(One& one, size_t choice, Time now) {
  Metrics& metrics = call_.server().metrics();
  Time& last = one.last[choice];
  if (last == one.begin) {
    metrics.first_token(seconds_between(last, now));
  } else {
    metrics.next_token(seconds_between(last, now));
  }
  last = now;
}

void Answers::count_end(const One& one, int32_t choice, Time now) {
  const Generation& result = one.text.result(choice);
  const auto tokens = static_cast<int64_t>(result.token_ids.size());
  const double decode_s = result.decode_ms * 1e-3;
  call_.server().metrics().request_finished(
      {.reason = finish_reason_name(result.finish),
       .prompt_tokens = static_cast<int64_t>(one.outbox->request().prompt.size()),
       .output_tokens = tokens,
       .seconds = seconds_between(one.begin, now),
       .seconds_per_token = tokens > 1 ? decode_s / static_cast<double>(tokens - 1) : 0.0,
       .phases = phases_of(one, result, now)});
}

// The engine says when it began; tokens count when they are read, as for the latencies.
std::optional<Metrics::Finished::Phases> Answers::phases_of(const One& one,
                                                            const Generation& result, Time now) {
  const int64_t started = one.outbox->started_ns();
  if (started == 0) return std::nullopt;
  const Time begin{std::chrono::nanoseconds(started)};  // SteadyClock's is steady_clock's time
  Metrics::Finished::Phases out;
  out.queued = std::max(0.0, seconds_between(one.begin, begin));
  const double first = result.token_ids.empty()
                           ? seconds_between(one.begin, now)
                           : seconds_between(one.begin, one.submitted) + result.prefill_ms * 1e-3;
  out.prefill = std::max(0.0, first - out.queued);
  out.decode = result.token_ids.empty() ? 0.0 : result.decode_ms * 1e-3;
  return out;
}

// Which of several prompts, and its own length.
ApiError Answers::too_long(const One& one) const {
  const auto tokens = static_cast<int64_t>(one.outbox->request().prompt.size());
  if (requests_.size() == 1) return context_exceeded(tokens, model_.context, call_.prompt_field);
  const auto at = std::find_if(requests_.begin(), requests_.end(),
                               [&](const auto& other) { return other.get() == &one; });
  return context_exceeded(tokens, model_.context,
                          fmt::format("prompt[{}]", at - requests_.begin()));
}

void Answers::check(const One& one, const Generation& result) const {
  switch (result.finish) {
    case FinishReason::kTooLong:
      throw too_long(one);
    case FinishReason::kOverloaded:
      if (result.token_ids.empty()) throw too_busy(call_.server().retry_after_s());
      throw unavailable("too many answers wait for clients that do not read them",
                        call_.server().retry_after_s());
    case FinishReason::kTimeout:
      throw took_too_long();
    case FinishReason::kOutOfMemory:
      throw unavailable("no memory for this request", call_.server().retry_after_s());
    case FinishReason::kCancelled:
      throw unavailable("the server is shutting down", call_.server().retry_after_s());
    case FinishReason::kBadLogits:
      throw plain_error(500, "the model's output is not finite: no token can be drawn");
    case FinishReason::kFormFault:
      throw bad_request(call_.form_field,
                        fmt::format("'{}': {}", call_.form_field, kFormFaultText));
    case FinishReason::kInternal:
      throw server_fault();
    default:
      return;
  }
}

// All choices have ended, and that was handed over.
bool Answers::over() const {
  return std::all_of(requests_.begin(), requests_.end(), [](const auto& one) {
    return std::find(one->told.begin(), one->told.end(), false) == one->told.end();
  });
}

void Answers::check_ending() const {
  if (!call_.server().ending.load()) return;
  throw unavailable("the server is shutting down", call_.server().retry_after_s());
}

Task<Answers::Step> Answers::next() {
  constexpr std::chrono::milliseconds kTick{500};  // until the server's end is noticed
  while (true) {
    if (call_.gone()) co_return Step::kGone;
    if (take()) {
      last_news_ = std::chrono::steady_clock::now();
      co_return Step::kNews;
    }
    if (over()) co_return Step::kOver;
    check_ending();
    const bool rung = co_await call_.wakeup()->wait(kTick);
    if (rung) continue;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_news_ < call_.server().options().ping_interval) continue;
    last_news_ = now;
    co_return Step::kQuiet;
  }
}

Task<bool> Answers::finish() {
  while (true) {
    const Step step = co_await next();
    if (step == Step::kOver) co_return true;
    if (step == Step::kGone) co_return false;
  }
}

void Answers::when_full(int64_t held) {
  most_held_ = std::max(most_held_, held);
  constexpr int64_t kLeast = 1 << 10;  // some events, however many prompts a call has
  const int64_t each = std::max(
      kLeast, call_.server().options().max_unread_bytes / static_cast<int64_t>(requests_.size()));
  for (const auto& one : requests_) {
    one->outbox->pause_beyond(held == Wire::kNoBytes ? Outbox::kAnyNumber : each);
  }
}

Task<bool> Answers::stream(std::string& frames) {
  frames_ = &frames;
  take();  // a full queue shows before the stream's head
  const FullWatch watch(call_, [this](int64_t held) { when_full(held); });
  co_await call_.start_events();
  while (true) {
    co_await call_.send(frames);
    if (!over()) check_ending();  // a client that was behind is not sent first what waits
    const Step step = co_await next();
    if (step == Step::kGone) co_return false;
    if (step == Step::kOver) co_return true;
    if (step == Step::kQuiet) frames = ": ping\n\n";
  }
}

const Generation& Answers::result(int32_t choice) const {
  const auto behind = std::upper_bound(
      requests_.begin(), requests_.end(), choice,
      [](int32_t wanted, const std::unique_ptr<One>& one) { return wanted < one->first; });
  const One& one = **std::prev(behind);
  return one.text.result(choice - one.first);
}

int64_t Answers::cached_tokens() const {
  int64_t out = 0;
  for (const auto& one : requests_) out += one->text.result(0).cached_tokens;
  return out;
}

int64_t Answers::reply_values() const {
  int64_t out = 0;
  for (const auto& one : requests_) {
    const Request& request = one->outbox->request();
    const SamplingParams& p = request.sampling;
    for (size_t c = 0; c < one->told.size(); ++c) {
      const Generation& result = one->text.result(static_cast<int32_t>(c));
      out += static_cast<int64_t>(result.token_ids.size()) * (p.logprobs + 2);
    }
    out += static_cast<int64_t>(request.prompt.size()) * (p.prompt_logprobs + 1);
  }
  return out;
}

Json Answers::usage() const {
  const int64_t output = output_tokens();
  return {{"prompt_tokens", prompt_tokens_},
          {"completion_tokens", output},
          {"total_tokens", prompt_tokens_ + output},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens()}}},
          {"completion_tokens_details", {{"reasoning_tokens", 0}}}};
}

Json Answers::timings() const {
  double prompt_ms = 0, decode_ms = 0;
  for (int32_t c = 0; c < choices_; ++c) {
    prompt_ms = std::max(prompt_ms, result(c).prefill_ms);
    decode_ms = std::max(decode_ms, result(c).decode_ms);
  }
  const auto rate = [](int64_t tokens, double ms) {
    return ms > 0 ? static_cast<double>(tokens) * 1e3 / ms : 0.0;
  };
  const int64_t computed = prompt_tokens_ - cached_tokens();
  const int64_t output = output_tokens();
  return {{"cache_n", cached_tokens()},
          {"prompt_n", computed},
          {"prompt_ms", prompt_ms},
          {"prompt_per_second", rate(computed, prompt_ms)},
          {"predicted_n", output},
          {"predicted_ms", decode_ms},
          {"predicted_per_second", rate(std::max<int64_t>(output - choices_, 0), decode_ms)}};
}

std::string_view openai_finish_reason(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

}  // namespace ingot
