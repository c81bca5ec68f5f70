#include "text/tokenizer_pipeline/token_decoder.h"

#include <algorithm>

#include "text/tokenizer_pipeline/byte_alphabet.h"

namespace ingot {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t i = text.find(from); i != text.npos; i = text.find(from, done)) {
    out.append(text.substr(done, i - done)).append(to);
    done = i + from.size();
  }
  return out.append(text.substr(done));
}

bool TokenDecoder::first_differs() const {
  return std::any_of(steps.begin(), steps.end(), [](const auto& s) { return s.first_differs; });
}

bool TokenDecoder::last_differs() const {
  return std::any_of(steps.begin(), steps.end(), [](const auto& s) { return s.last_differs; });
}

std::string TokenDecoder::print(std::string_view token, TokenKind kind, TokenPlace place) const {
  std::string out;
  if (kind != TokenKind::kControl) {
    if (byte_level && kind != TokenKind::kAdded && unspell_bytes(token, out)) return out;
    if (byte_fallback && byte_of_fallback(token) >= 0) {
      return std::string(1, static_cast<char>(byte_of_fallback(token)));
    }
  }
  out = token;
  for (const DecodeStep& step : steps) {
    if (kind != TokenKind::kControl || step.for_control) out = step.apply(std::move(out), place);
  }
  return out;
}

void TokenDecoder::add_replacement(std::string from, std::string to) {
  steps.push_back(
      {[from = std::move(from), to = std::move(to)](const std::string& text, TokenPlace) {
        return replace_all(text, from, to);
      }});
}

}  // namespace ingot
