#include "runtime/request.h"

#include <cmath>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "runtime/sampler_rule.h"
#include "text/grammar.h"

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
    case FinishReason::kFormFault:
      return "form_fault";
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

void known_ids(std::string_view field, const std::vector<TokenId>& ids, int64_t vocab_size,
               int64_t most = kMaxStopIds) {
  in_range<int64_t>(fmt::format("number of {}", field), static_cast<int64_t>(ids.size()), 0, most);
  for (TokenId id : ids) in_range<int64_t>(field, id, 0, vocab_size - 1);
}

void check_bias(const SamplingParams& p, int64_t vocab_size) {
  in_range<int64_t>("number of logit_bias", static_cast<int64_t>(p.logit_bias.size()), 0,
                    kMaxBiasIds);
  std::set<TokenId> seen;
  for (const auto& [id, value] : p.logit_bias) {
    in_range<int64_t>("logit_bias", id, 0, vocab_size - 1);
    if (value != -INFINITY) in_range<double>("logit_bias", static_cast<double>(value), -100, 100);
    if (!seen.insert(id).second) {
      fail(ErrorCode::kInvalidArgument, "runtime/request",
           "logit_bias: expected each id once, found {} twice", id);
    }
  }
}

// A token is left to draw whatever the output was.
void check_token_left(const SamplingParams& p, int64_t vocab_size) {
  std::set<TokenId> never;
  for (const auto& [id, value] : p.logit_bias) {
    if (value == -INFINITY) never.insert(id);
  }
  for (const auto& word : p.bad_words) never.insert(word.back());
  if (p.min_tokens > 0) {
    never.insert(p.eos_token_ids.begin(), p.eos_token_ids.end());
    never.insert(p.stop_token_ids.begin(), p.stop_token_ids.end());
  }
  const auto& allowed = p.allowed_token_ids;
  const bool left = allowed.empty() ? static_cast<int64_t>(never.size()) < vocab_size
                                    : std::any_of(allowed.begin(), allowed.end(),
                                                  [&](TokenId id) { return never.count(id) == 0; });
  if (left) return;
  fail(ErrorCode::kInvalidArgument, "runtime/request",
       "{}: expected a token that logit_bias, bad_words and min_tokens leave, found none",
       allowed.empty() ? "logit_bias" : "allowed_token_ids");
}

void check_grammar(const SamplingParams& p, int64_t vocab_size) {
  if (p.grammar == nullptr) return;
  CHECK_LE(p.grammar->vocabulary().size(), vocab_size);
  const bool bans =
      std::ranges::any_of(p.logit_bias, [](const auto& one) { return one.second == -INFINITY; });
  const std::pair<const char*, bool> others[] = {
      {"beam search", p.beam_width > 1},   {"ignore_eos", p.ignore_eos},
      {"min_tokens", p.min_tokens > 0},    {"allowed_token_ids", !p.allowed_token_ids.empty()},
      {"bad_words", !p.bad_words.empty()}, {"logit_bias of -infinity", bans}};
  for (const auto& [name, set] : others) {
    if (!set) continue;
    fail(ErrorCode::kInvalidArgument, "runtime/request", "{}: does not go with a grammar", name);
  }
}

void check_masks(const SamplingParams& p, int64_t vocab_size) {
  check_bias(p, vocab_size);
  known_ids("allowed_token_ids", p.allowed_token_ids, vocab_size, kMaxAllowedIds);
  in_range<int64_t>("number of bad_words", static_cast<int64_t>(p.bad_words.size()), 0,
                    kMaxBadWords);
  for (const auto& word : p.bad_words) {
    in_range<int64_t>("tokens of a bad_word", static_cast<int64_t>(word.size()), 1,
                      kMaxBadWordTokens);
    known_ids("bad_words", word, vocab_size);
  }
  check_grammar(p, vocab_size);
  if (!has_masks(p)) return;
  check_token_left(p, vocab_size);
  if (p.beam_width > 1) {
    fail(ErrorCode::kInvalidArgument, "runtime/request",
         "logit_bias, allowed_token_ids, bad_words: expected none of them with beam search, which "
         "takes the raw logits");
  }
}

void check_rules(const SamplingParams& p) {
  for (const SamplerParam& param : sampler_params()) {
    const double value = param.get(p);
    if (param.holds(value)) continue;
    fail(ErrorCode::kInvalidArgument, "runtime/request", "{}: expected {}, found {}", param.name,
         param.range_text(), value);
  }
}

}  // namespace

bool has_masks(const SamplingParams& p) {
  return !p.logit_bias.empty() || !p.allowed_token_ids.empty() || !p.bad_words.empty();
}

void bad_word_ends(const SamplingParams& p, std::span<const TokenId> output,
                   std::vector<TokenId>& out) {
  for (const auto& word : p.bad_words) {
    const size_t before = word.size() - 1;
    if (before > output.size()) continue;
    if (std::equal(word.begin(), word.end() - 1, output.end() - static_cast<ptrdiff_t>(before))) {
      out.push_back(word.back());
    }
  }
}

void validate(const SamplingParams& p, int64_t vocab_size) {
  in_range<int64_t>("max_tokens", p.max_tokens, 0, kMaxTokens);
  in_range<int64_t>("min_tokens", p.min_tokens, 0, p.max_tokens);
  check_rules(p);
  in_range<int64_t>("logprobs", p.logprobs, -1, std::min<int64_t>(vocab_size, 1024));
  in_range<int64_t>("prompt_logprobs", p.prompt_logprobs, -1, std::min<int64_t>(vocab_size, 1024));
  in_range<int32_t>("n", p.n, 1, kMaxChoices);
  in_range<int32_t>("beam_width", p.beam_width, 1, kMaxChoices);
  in_range<double>("length_penalty", p.length_penalty, -10, 10);
  if (p.beam_width > 1) in_range<int32_t>("n (with beam_width)", p.n, 1, p.beam_width);
  known_ids("eos_token_ids", p.eos_token_ids, vocab_size);
  known_ids("stop_token_ids", p.stop_token_ids, vocab_size);
  check_masks(p, vocab_size);
}

}  // namespace ingot
