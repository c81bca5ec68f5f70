// Tokens of a request on their way to text.
#pragma once

#include <functional>
#include <optional>
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
  FinishReason finish = FinishReason::kNone;
  std::vector<TokenLogprobs> logprobs;  // one per token if asked for
  double prefill_ms = 0;                // from submission to the first token
  double decode_ms = 0;                 // from the first to the last
};

// Collects the events of one choice, on whichever one thread reads the outbox: a caller that steps
// the loop itself, or a server's worker. Once stopped() the request should be cancelled; tokens
// that still come are dropped.
class AnswerText {
 public:
  // `tokenizer` outlives this; null: ids only, and no stop strings. `stops` end the answer and are
  // not part of it. `on_text` gets text as it becomes certain (may be empty). Times count from
  // here.
  AnswerText(const Tokenizer* tokenizer, std::vector<std::string> stops,
             std::function<void(std::string_view)> on_text);

  void take(const TokenEvent& event);
  // After the last event: gives out what was held back.
  void end();
  bool stopped() const { return stops_.stopped(); }
  const Generation& result() const { return out_; }

 private:
  void say(const std::string& text);

  std::function<void(std::string_view)> on_text_;
  Generation out_;
  StopMatcher stops_;
  std::optional<Detokenizer> detokenizer_;
  Stopwatch watch_;
};

}  // namespace ingot
