// Hand-written equals of the usual split expressions. Each alternative below is named by the part
// of the expression it stands for; order matters.
#include <array>

#include "text/tokenizer_pipeline/pattern.h"
#include "text/utf8.h"

namespace ingot {
namespace {

enum class Class : uint8_t { kLetter, kNumber, kSpace, kOther };

struct Char {
  Class kind = Class::kOther;
  uint8_t length = 1;
};

Class class_of(char32_t code) {
  if (is_unicode_letter(code)) return Class::kLetter;
  if (is_unicode_number(code)) return Class::kNumber;
  return is_unicode_space(code) ? Class::kSpace : Class::kOther;
}

const std::array<Class, 128>& ascii_classes() {
  static const auto table = [] {
    std::array<Class, 128> t{};
    for (char32_t c = 0; c < 128; ++c) t[c] = class_of(c);
    return t;
  }();
  return table;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), ascii_(ascii_classes()) {}

  bool at_end(size_t i) const { return i >= text_.size(); }
  Char at(size_t i) const {
    const uint8_t byte = static_cast<uint8_t>(text_[i]);
    if (byte < 0x80) return {ascii_[byte], 1};
    const Utf8Char c = decode_utf8(text_, i);
    return {class_of(c.code), c.length};
  }
  bool is(size_t i, Class kind) const { return !at_end(i) && at(i).kind == kind; }
  bool is_newline(size_t i) const { return !at_end(i) && (text_[i] == '\r' || text_[i] == '\n'); }

  size_t run(size_t i, Class kind) const {
    while (!at_end(i)) {
      const Char c = at(i);
      if (c.kind != kind) break;
      i += c.length;
    }
    return i;
  }
  // \s+(?!\S)|\s+ : a run of white space, less its last character when a word follows.
  size_t space_run(size_t begin) const {
    size_t i = begin, last = begin;
    while (!at_end(i)) {
      const Char c = at(i);
      if (c.kind != Class::kSpace) break;
      last = i;
      i += c.length;
    }
    return at_end(i) || last == begin ? i : last;
  }
  // Length of 's 't 'm 'd 're 've 'll at i, else 0. U+017F folds to s where case is ignored.
  size_t contraction(size_t i, bool any_case) const {
    if (text_[i] != '\'' || at_end(i + 1)) return 0;
    const auto letter = [&](size_t k) {
      const char c = at_end(k) ? '\0' : text_[k];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    const char a = letter(i + 1), b = letter(i + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return any_case && text_.substr(i + 1, 2) == "\xC5\xBF" ? 3 : 0;
  }

 private:
  std::string_view text_;
  const std::array<Class, 128>& ascii_;
};

}  // namespace

size_t scan_gpt2(std::string_view text, size_t begin) {
  const Scanner s(text);
  if (const size_t n = s.contraction(begin, false)) return begin + n;
  const size_t word = text[begin] == ' ' ? begin + 1 : begin;
  if (!s.at_end(word)) {
    // ' ?' then a run of letters, of numbers, or of neither.
    const Class kind = s.at(word).kind;
    if (kind != Class::kSpace) return s.run(word, kind);
  }
  return s.space_run(begin);
}

size_t scan_llama3(std::string_view text, size_t begin, int most_digits) {
  const Scanner s(text);
  if (const size_t n = s.contraction(begin, true)) return begin + n;
  const Char first = s.at(begin);
  // [^\r\n\p{L}\p{N}]?\p{L}+
  if (first.kind == Class::kLetter) return s.run(begin, Class::kLetter);
  if (first.kind == Class::kNumber) {
    size_t i = begin;
    for (int n = 0; n < most_digits && s.is(i, Class::kNumber); ++n) i += s.at(i).length;
    return i;
  }
  if (!s.is_newline(begin) && s.is(begin + first.length, Class::kLetter)) {
    return s.run(begin + first.length, Class::kLetter);
  }
  // ' ?[^\s\p{L}\p{N}]+[\r\n]*'
  const size_t word = text[begin] == ' ' ? begin + 1 : begin;
  if (s.is(word, Class::kOther)) {
    size_t i = s.run(word, Class::kOther);
    while (s.is_newline(i)) ++i;
    return i;
  }
  // \s*[\r\n]+ : up to the last line break of the run.
  const size_t end = s.run(begin, Class::kSpace);
  for (size_t i = end; i > begin; --i) {
    if (s.is_newline(i - 1)) return i;
  }
  return s.space_run(begin);
}

}  // namespace ingot
