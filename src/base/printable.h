// Text of files, arguments and servers, made fit for a terminal: what would steer one (ESC and the
// other controls, C1's too) or is no UTF-8 never reaches it as it stands.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace ingot {

// Bytes of the character at the front of `text`, well-formed UTF-8; 0 where there is none.
size_t utf8_length(std::string_view text);

// What to show of one character: itself, or "\x1b" for each byte of it.
struct ShownCharacter {
  std::array<char, 8> bytes;
  size_t size = 0;
  bool escaped = false;
  std::string_view text() const { return {bytes.data(), size}; }
};
// Takes the next one off `text`, which is not empty; controls in `keep` stay. Allocates nothing.
ShownCharacter next_shown(std::string_view& text, std::string_view keep = {});

// On one line, with escapes; `keep` may hold "\n" and the like.
std::string printable(std::string_view text, std::string_view keep = {});
// Of a long text the first characters, in at most so many bytes.
std::string printable_start(std::string_view text, size_t most);
// For text that people read as it comes: without what would be escaped, but for line breaks and
// tabs, which stay.
std::string without_controls(std::string_view text);

}  // namespace ingot
