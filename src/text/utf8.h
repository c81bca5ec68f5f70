// UTF-8 and the Unicode classes that tokenizers split by (Unicode version: that of utf8proc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

inline constexpr size_t kUtf8Valid = static_cast<size_t>(-1);
inline constexpr char32_t kReplacementChar = 0xFFFD;

// kUtf8Valid, or the byte offset of the first ill-formed sequence (overlong forms, surrogates and
// values above U+10FFFF included).
size_t validate_utf8(std::string_view text);

struct Utf8Char {
  char32_t code = kReplacementChar;
  uint8_t length = 1;  // bytes consumed, at least 1
  bool valid = false;
};

// Decodes the character at `offset` (< text.size()). Ill-formed: {U+FFFD, length of the maximal
// ill-formed part, false}.
Utf8Char decode_utf8(std::string_view text, size_t offset);
void append_utf8(std::string& out, char32_t code);
// Bytes at the end of `text` that are the start of a character not yet complete: 0 to 3.
size_t incomplete_utf8_tail(std::string_view text);
// Each maximal ill-formed part becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

bool is_unicode_letter(char32_t code);       // general category L*
bool is_unicode_number(char32_t code);       // general category N*
bool is_unicode_space(char32_t code);        // property White_Space
bool is_unicode_assigned(char32_t code);     // neither unassigned, surrogate nor private
bool is_unicode_mark(char32_t code);         // general category M*
bool is_unicode_nonspacing(char32_t code);   // general category Mn
bool is_unicode_punctuation(char32_t code);  // general category P*, and the ASCII symbols
bool is_unicode_control(char32_t code);      // general category Cc, Cf or Co
// Word character of UTS 18: alphabetic, mark, decimal number, connector punctuation, joiner.
bool is_unicode_word(char32_t code);

}  // namespace ingot
