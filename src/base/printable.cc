#include "base/printable.h"

#include <algorithm>

namespace ingot {
namespace {

// Whether the character, of well-formed UTF-8, is one of C0, DEL or C1.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;  // U+0080 to U+009F
}

}  // namespace

size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than needed, surrogates, and past U+10FFFF.
  const bool wrong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
                     (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f);
  return wrong ? 0 : length;
}

ShownCharacter next_shown(std::string_view& text, std::string_view keep) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t length = utf8_length(text);
  const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
  text.remove_prefix(character.size());
  ShownCharacter out;
  out.escaped = length == 0 ||
                (is_control(character) && (length > 1 || keep.find(character[0]) == keep.npos));
  for (const char c : character) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.escaped) {
      out.bytes[out.size++] = c;
      continue;
    }
    for (const char shown : {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]}) {
      out.bytes[out.size++] = shown;
    }
  }
  return out;
}

std::string printable(std::string_view text, std::string_view keep) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) out += next_shown(text, keep).text();
  return out;
}

std::string printable_start(std::string_view text, size_t most) {
  std::string out;
  while (!text.empty()) {
    const ShownCharacter next = next_shown(text);
    if (out.size() + next.size > most) break;
    out += next.text();
  }
  return out;
}

std::string without_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const ShownCharacter next = next_shown(text, "\n\t");
    if (!next.escaped) out += next.text();
  }
  return out;
}

}  // namespace ingot
