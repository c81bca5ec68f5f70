// Tokens of a request on their way to text.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "runtime/request.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"

namespace ingot {

struct Generation {
  std::vector<int32_t> token_ids;  // the token that ended the answer included
  std::string text;                // without it
  // The text is that of the first so many tokens; those behind ended it or went with a stop string.
  size_t text_tokens = 0;
  FinishReason finish = FinishReason::kNone;
  std::vector<TokenLogprobs> logprobs;  // one per token if asked for
  // Of the prompt's tokens but the first, if asked for; those of all choices are choice 0's.
  std::vector<TokenLogprobs> prompt_logprobs;
  int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache
  double prefill_ms = 0;      // from submission to the first token
  double decode_ms = 0;       // from the first to the last
};

// Text that has become certain, with the tokens whose text ends in it: a token's log probabilities
// come with its text, and a token without text with the text behind it.
struct TextPiece {
  int32_t choice = 0;
  // Empty at a choice's end alone, where tokens may be left, and without a tokenizer.
  std::string_view text;
  std::span<const int32_t> token_ids;
  std::span<const TokenLogprobs> logprobs;  // one per token if asked for
};

struct AnswerTextOptions {
  std::vector<std::string> stops = {};  // end a choice and are not part of it
  std::vector<int32_t> shown = {};      // control tokens whose text counts
  bool all_shown = false;               // the text of all control tokens counts
  bool include_stop = false;            // the stop string, or ending token, is part of the text
};

// Collects the events of a request's choices, on whichever one thread reads the outbox: a caller
// that steps the loop itself, or a server's worker. Once stopped() the request should be cancelled;
// tokens that still come are dropped.
class AnswerText {
 public:
  // `tokenizer` outlives this; null: ids only, in pieces without text and log probabilities, and
  // no stop strings. `on_text` gets text as it becomes certain (may be empty). Times count from
  // here.
  AnswerText(const Tokenizer* tokenizer, const AnswerTextOptions& options,
             std::function<void(const TextPiece&)> on_text, int32_t choices = 1);

  // A choice's last event also gives out what was held back of it.
  void take(const TokenEvent& event);
  // After the last event: the same for choices that had no such event.
  void end();
  // Whether no more text of the choice will come.
  bool ended(int32_t choice) const { return at(choice).ended; }
  // No choice goes on, and a stop string ended one of them.
  bool stopped() const;
  const Generation& result(int32_t choice = 0) const { return at(choice).out; }

 private:
  struct Choice {
    Choice(const Tokenizer* tokenizer, const AnswerTextOptions& options);
    Generation out;
    StopMatcher stops;
    std::optional<Detokenizer> detokenizer;
    size_t made = 0;           // bytes of text that the tokens have made, held back ones included
    std::vector<size_t> ends;  // of each token's text, in those bytes; for the last ones not yet
    bool ended = false;
  };
  const Choice& at(int32_t choice) const { return choices_.at(static_cast<size_t>(choice)); }
  void end(Choice& choice, int32_t index);
  void say_ids(const Generation& out, size_t before, const TokenEvent& event);
  void make(Choice& choice, int32_t index, const std::string& text, bool last);
  void say(Choice& choice, int32_t index, const std::string& text, bool last);

  std::function<void(const TextPiece&)> on_text_;
  const bool include_stop_;
  std::vector<Choice> choices_;
  Stopwatch watch_;
};

}  // namespace ingot
