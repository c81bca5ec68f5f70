#include "runtime/answer_text.h"

#include <utility>

namespace ingot {

AnswerText::AnswerText(const Tokenizer* tokenizer, std::vector<std::string> stops,
                       std::function<void(std::string_view)> on_text)
    : on_text_(std::move(on_text)), stops_(std::move(stops)) {
  if (tokenizer) detokenizer_.emplace(*tokenizer);
}

void AnswerText::take(const TokenEvent& event) {
  if (stopped()) return;
  for (size_t i = 0; i < event.count && !stopped(); ++i) {
    if (out_.token_ids.empty()) out_.prefill_ms = watch_.ms();
    out_.token_ids.push_back(event.tokens[i]);
    if (i < event.logprobs.size()) out_.logprobs.push_back(event.logprobs[i]);
    const bool ending = event.finish == FinishReason::kStop && i + 1 == event.count;
    if (detokenizer_ && !ending) say(stops_.push(detokenizer_->push(event.tokens[i])));
  }
  if (event.finish != FinishReason::kNone) out_.finish = event.finish;
  if (stopped()) out_.finish = FinishReason::kStop;
  if (!out_.token_ids.empty()) out_.decode_ms = watch_.ms() - out_.prefill_ms;
}

void AnswerText::end() {
  if (!detokenizer_ || stopped()) return;
  say(stops_.push(detokenizer_->flush()));
  say(stops_.flush());
}

void AnswerText::say(const std::string& text) {
  if (text.empty()) return;
  out_.text += text;
  if (on_text_) on_text_(text);
}

}  // namespace ingot
