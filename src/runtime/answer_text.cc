#include "runtime/answer_text.h"

#include <algorithm>
#include <utility>

namespace ingot {

AnswerText::Choice::Choice(const Tokenizer* tokenizer, const AnswerTextOptions& options)
    : stops(options.stops, options.include_stop) {
  if (!tokenizer) return;
  DetokenizeOptions text;
  text.shown = options.shown;
  text.skip_special = !options.all_shown;
  detokenizer.emplace(*tokenizer, text);
}

AnswerText::AnswerText(const Tokenizer* tokenizer, const AnswerTextOptions& options,
                       std::function<void(const TextPiece&)> on_text, int32_t choices)
    : on_text_(std::move(on_text)), include_stop_(options.include_stop) {
  choices_.reserve(static_cast<size_t>(choices));
  for (int32_t c = 0; c < choices; ++c) choices_.emplace_back(tokenizer, options);
}

void AnswerText::take(const TokenEvent& event) {
  Choice& choice = choices_.at(static_cast<size_t>(event.choice));
  Generation& out = choice.out;
  if (choice.stops.stopped()) return;
  const size_t before = out.token_ids.size();
  out.cached_tokens = event.cached_tokens;
  out.prompt_logprobs.insert(out.prompt_logprobs.end(), event.prompt_logprobs.begin(),
                             event.prompt_logprobs.end());
  for (size_t i = 0; i < event.count && !choice.stops.stopped(); ++i) {
    if (out.token_ids.empty()) out.prefill_ms = watch_.ms();
    out.token_ids.push_back(event.tokens[i]);
    if (i < event.logprobs.size()) out.logprobs.push_back(event.logprobs[i]);
    const bool ending = event.finish == FinishReason::kStop && i + 1 == event.count;
    if (!choice.detokenizer || (ending && !include_stop_)) continue;
    make(choice, event.choice, choice.detokenizer->push(event.tokens[i]), false);
  }
  if (!choice.detokenizer) say_ids(out, before, event);
  if (event.finish != FinishReason::kNone) out.finish = event.finish;
  if (choice.stops.stopped()) out.finish = FinishReason::kStop;
  if (!out.token_ids.empty()) out.decode_ms = watch_.ms() - out.prefill_ms;
  if (out.finish != FinishReason::kNone) end(choice, event.choice);
}

void AnswerText::end() {
  for (size_t c = 0; c < choices_.size(); ++c) end(choices_[c], static_cast<int32_t>(c));
}

void AnswerText::end(Choice& choice, int32_t index) {
  if (std::exchange(choice.ended, true)) return;
  if (!choice.detokenizer || choice.stops.stopped()) return;
  make(choice, index, choice.detokenizer->flush(), true);
  if (!choice.stops.stopped()) say(choice, index, choice.stops.flush(), true);
}

bool AnswerText::stopped() const {
  bool any = false;
  for (const Choice& choice : choices_) {
    const bool stopped = choice.stops.stopped();
    if (!stopped && choice.out.finish == FinishReason::kNone) return false;
    any = any || stopped;
  }
  return any;
}

// What there is to say without a tokenizer; the ending token is no part of it, as in a text.
void AnswerText::say_ids(const Generation& out, size_t before, const TokenEvent& event) {
  const bool ending = event.finish == FinishReason::kStop && event.count > 0 && !include_stop_;
  const size_t count = out.token_ids.size() - before - (ending ? 1 : 0);
  if (!on_text_ || count == 0) return;
  TextPiece piece;
  piece.choice = event.choice;
  piece.token_ids = std::span(out.token_ids).subspan(before, count);
  on_text_(piece);
}

// Text that the tokens so far have made. Tokens that made none wait for the text behind them: some
// are parts of one character.
void AnswerText::make(Choice& choice, int32_t index, const std::string& text, bool last) {
  choice.made += text.size();
  size_t tokens = choice.out.token_ids.size();
  // The ending token has no text. A beam that was never found ends without one.
  if (last && !include_stop_ && choice.out.finish == FinishReason::kStop && tokens > 0) --tokens;
  if (!text.empty() || last) choice.ends.resize(tokens, choice.made);
  say(choice, index, choice.stops.push(text), false);
}

void AnswerText::say(Choice& choice, int32_t index, const std::string& text, bool last) {
  const bool over = last || choice.stops.stopped();
  if (text.empty() && !over) return;
  Generation& out = choice.out;
  out.text += text;
  const size_t first = out.text_tokens;
  size_t& next = out.text_tokens;
  while (next < choice.ends.size() && choice.ends[next] <= out.text.size()) ++next;
  // A stop string that begins within a token leaves the token's first part.
  const size_t begin = next == 0 ? 0 : choice.ends[next - 1];
  if (choice.stops.stopped() && next < choice.ends.size() && begin < out.text.size()) ++next;
  if (!on_text_ || (text.empty() && next == first)) return;
  TextPiece piece;
  piece.choice = index;
  piece.text = text;
  piece.token_ids = std::span(out.token_ids).subspan(first, next - first);
  if (next <= out.logprobs.size()) {
    piece.logprobs = std::span(out.logprobs).subspan(first, next - first);
  }
  on_text_(piece);
}

}  // namespace ingot
