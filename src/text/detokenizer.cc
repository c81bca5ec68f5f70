#include "text/detokenizer.h"

#include <algorithm>

#include "text/utf8.h"

namespace ingot {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, const DetokenizeOptions& options)
    : tokenizer_(tokenizer),
      options_(options),
      drop_spaces_(options.at_text_start ? tokenizer.leading_spaces_dropped() : 0),
      at_start_(options.at_text_start) {}

std::string Detokenizer::push(int32_t id) {
  // Models pad their vocabulary: an id beyond the tokenizer's prints nothing, as in Hugging Face's.
  if (id >= tokenizer_.vocab_size()) return "";
  const TokenKind kind = tokenizer_.kind(id);
  if (options_.skip_special && kind == TokenKind::kControl && !shown(id)) return "";
  std::string out;
  if (tokenizer_.last_differs()) {
    // The token before this one is not the last; whether this one is, the next will tell.
    if (held_ >= 0) out = print(tokenizer_.token_bytes(held_));
    held_ = id;
    return out;
  }
  const bool first = at_start_ && tokenizer_.first_differs();
  at_start_ = false;
  return print(tokenizer_.token_bytes(id, first ? TokenPlace::kFirst : TokenPlace::kMiddle));
}

bool Detokenizer::shown(int32_t id) const {
  return std::find(options_.shown.begin(), options_.shown.end(), id) != options_.shown.end();
}

std::string Detokenizer::print(std::string_view bytes) {
  while (drop_spaces_ > 0 && !bytes.empty()) {
    drop_spaces_ = bytes[0] == ' ' ? drop_spaces_ - 1 : 0;
    if (bytes[0] != ' ') break;
    bytes.remove_prefix(1);
  }
  pending_ += bytes;
  const size_t tail = incomplete_utf8_tail(pending_);
  const size_t whole = pending_.size() - tail;
  std::string out = replace_invalid_utf8(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return out;
}

std::string Detokenizer::flush() {
  std::string out;
  if (held_ >= 0) out = print(tokenizer_.token_bytes(held_, TokenPlace::kLast));
  held_ = -1;
  out += replace_invalid_utf8(pending_);
  pending_.clear();
  drop_spaces_ = options_.at_text_start ? tokenizer_.leading_spaces_dropped() : 0;
  at_start_ = options_.at_text_start;
  return out;
}

}  // namespace ingot
