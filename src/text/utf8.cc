#include "text/utf8.h"

#include <simdjson.h>
#include <utf8proc.h>

#include <algorithm>

namespace ingot {

Utf8Char decode_utf8(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[offset + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {};
  const size_t need = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code = lead & (0x7F >> need);
  for (size_t i = 1; i < need; ++i) {
    const bool present = offset + i < text.size();
    const uint8_t next = present ? byte(i) : 0;
    if (next < (i == 1 ? low : 0x80) || next > (i == 1 ? high : 0xBF)) {
      return {kReplacementChar, static_cast<uint8_t>(i), false};
    }
    code = code << 6 | (next & 0x3F);
  }
  return {code, static_cast<uint8_t>(need), true};
}

size_t validate_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return kUtf8Valid;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!c.valid) return i;
    i += c.length;
  }
  return kUtf8Valid;
}

void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint8_t mark = extra == 1 ? 0xC0 : extra == 2 ? 0xE0 : 0xF0;
  out += static_cast<char>(mark | code >> (6 * extra));
  for (int i = extra - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
}

size_t incomplete_utf8_tail(std::string_view text) {
  const size_t most = std::min<size_t>(3, text.size());
  for (size_t back = 1; back <= most; ++back) {
    const uint8_t byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    if (byte < 0xC0) return 0;
    const Utf8Char c = decode_utf8(text, text.size() - back);
    const size_t need = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return !c.valid && byte >= 0xC2 && byte <= 0xF4 && c.length == back && back < need ? back : 0;
  }
  return 0;
}

std::string replace_invalid_utf8(std::string_view text) {
  if (validate_utf8(text) == kUtf8Valid) return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    append_utf8(out, c.code);
    i += c.length;
  }
  return out;
}

namespace {
int category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }
}  // namespace

bool is_unicode_letter(char32_t code) {
  if (code < 0x80) return (code | 0x20) - 'a' < 26u;
  const int c = category(code);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool is_unicode_number(char32_t code) {
  if (code < 0x80) return code - '0' < 10u;
  const int c = category(code);
  return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool is_unicode_space(char32_t code) {
  if (code < 0x80) return code == ' ' || code - '\t' < 5u;
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_unicode_assigned(char32_t code) {
  const int c = category(code);
  return c != UTF8PROC_CATEGORY_CN && c != UTF8PROC_CATEGORY_CS && c != UTF8PROC_CATEGORY_CO;
}

bool is_unicode_mark(char32_t code) {
  if (code < 0x300) return false;
  const int c = category(code);
  return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

bool is_unicode_nonspacing(char32_t code) {
  return code >= 0x300 && category(code) == UTF8PROC_CATEGORY_MN;
}

bool is_unicode_punctuation(char32_t code) {
  if (code < 0x80) {
    return code - '!' < 15u || code - ':' < 7u || code - '[' < 6u || code - '{' < 4u;
  }
  const int c = category(code);
  return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool is_unicode_control(char32_t code) {
  const int c = category(code);
  return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}

bool is_unicode_word(char32_t code) {
  if (is_unicode_letter(code) || is_unicode_mark(code) || code == '_') return true;
  const int c = category(code);
  // Joiners, then the circled and squared letters, which are alphabetic symbols.
  return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_PC ||
         code == 0x200C || code == 0x200D || (code >= 0x24B6 && code <= 0x24E9) ||
         (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
         (code >= 0x1F170 && code <= 0x1F189);
}

}  // namespace ingot
