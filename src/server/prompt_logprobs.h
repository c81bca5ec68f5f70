// What is said of a prompt's tokens: vLLM's prompt_logprobs, and OpenAI's older lists, in which the
// prompt may stand before the answer.
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"
#include "runtime/request.h"
#include "text/tokenizer.h"

namespace ingot {

// One entry for each token, null for the first: {"id": {logprob, rank, decoded_token}} of the token
// and of the `top` best. The rank of a token that is not among those is not known: null.
Json prompt_logprobs_json(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                          std::span<const TokenLogprobs> logprobs, int32_t top);

// JSON has no infinities: -9999 where a token cannot be, as OpenAI.
double json_logprob(float logprob);
// A token alone, parts of characters as U+FFFD; nothing for ids that the tokenizer does not know.
std::string token_alone(const Tokenizer& tokenizer, int32_t id);

// Characters of UTF-8 text, a part of one counted where it begins.
size_t characters(std::string_view text);

// Parallel lists of tokens, log probabilities, best tokens and where each begins in the text.
class LegacyLogprobs {
 public:
  // `offset`: characters before the first token. `top`: best tokens listed, and the token itself.
  LegacyLogprobs(const Tokenizer& tokenizer, size_t offset, int32_t top)
      : tokenizer_(tokenizer), offset_(offset), top_(top) {}
  // A whole prompt with `text`; control tokens take no room where the text does not spell them.
  void add_prompt(std::span<const int32_t> ids, std::span<const TokenLogprobs> logprobs,
                  std::string_view text);
  void add(std::span<const int32_t> ids, std::span<const TokenLogprobs> logprobs);
  Json json() const;

 private:
  std::string name(int32_t id) const;
  void add_one(int32_t id, const TokenLogprobs* logprobs);

  const Tokenizer& tokenizer_;
  size_t offset_;
  const int32_t top_;
  Json tokens_ = Json::array(), chosen_ = Json::array(), best_ = Json::array(),
       offsets_ = Json::array();
};

}  // namespace ingot
