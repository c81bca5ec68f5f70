#include "runtime/request.h"

#include <cmath>

#include "base/error.h"

namespace ingot {

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone:
      return "none";
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kTooLong:
      return "too_long";
    case FinishReason::kTimeout:
      return "timeout";
    case FinishReason::kOutOfMemory:
      return "out_of_memory";
    case FinishReason::kInternal:
      return "internal";
    case FinishReason::kOverloaded:
      return "overloaded";
    case FinishReason::kBadLogits:
      return "bad_logits";
  }
  return "unknown";
}

namespace {

// Bounds keep every later product and sum far from overflow.
constexpr int64_t kMaxTokens = int64_t{1} << 31;

template <typename T>
void in_range(std::string_view field, T value, T low, T high) {
  if (value >= low && value <= high) return;  // false for NaN
  fail(ErrorCode::kInvalidArgument, "runtime/request", "{}: expected {} to {}, found {}", field,
       low, high, value);
}

void known_ids(std::string_view field, const std::vector<TokenId>& ids, int64_t vocab_size) {
  in_range<int64_t>(fmt::format("number of {}", field), static_cast<int64_t>(ids.size()), 0,
                    kMaxStopIds);
  for (TokenId id : ids) in_range<int64_t>(field, id, 0, vocab_size - 1);
}

}  // namespace

void validate(const SamplingParams& p, int64_t vocab_size) {
  in_range<int64_t>("max_tokens", p.max_tokens, 1, kMaxTokens);
  in_range<int64_t>("min_tokens", p.min_tokens, 0, p.max_tokens);
  in_range<double>("temperature", p.temperature, 0, 100);
  in_range<int64_t>("top_k", p.top_k, 0, kMaxTokens);
  in_range<double>("top_p", p.top_p, std::numeric_limits<double>::min(), 1);
  in_range<double>("min_p", p.min_p, 0, 1);
  in_range<double>("repetition_penalty", p.repetition_penalty, 1e-3, 1e3);
  in_range<double>("presence_penalty", p.presence_penalty, -100, 100);
  in_range<double>("frequency_penalty", p.frequency_penalty, -100, 100);
  in_range<int64_t>("logprobs", p.logprobs, -1, std::min<int64_t>(vocab_size, 1024));
  in_range<int32_t>("n", p.n, 1, kMaxChoices);
  in_range<int32_t>("beam_width", p.beam_width, 1, kMaxChoices);
  in_range<double>("length_penalty", p.length_penalty, -10, 10);
  if (p.beam_width > 1) in_range<int32_t>("n (with beam_width)", p.n, 1, p.beam_width);
  known_ids("eos_token_ids", p.eos_token_ids, vocab_size);
  known_ids("stop_token_ids", p.stop_token_ids, vocab_size);
}

}  // namespace ingot
