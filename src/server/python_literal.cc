#include "server/python_literal.h"

#include <fmt/format.h>

#include "base/json.h"
#include "server/tool_json.h"
#include "server/tool_values.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr int kMostNested = 64;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : text_(text) {}

  bool all() {
    skip();
    return value(0) && (skip(), rest().empty());
  }
  std::string out;

 private:
  std::string_view rest() const { return text_.substr(at_); }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() { at_ = std::min(text_.find_first_not_of(kJsonSpace, at_), text_.size()); }
  bool take(std::string_view what) {
    if (!rest().starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  bool value(int depth) {
    if (depth > kMostNested) return false;
    const char c = next();
    if (c == '"' || c == '\'') return string();
    if (c == '[') return list(']', depth);
    if (c == '(') return list(')', depth);
    if (c == '{') return dictionary(depth);
    return word();
  }

  // Also a tuple: in one, and in a list, a comma may stand last.
  bool list(char close, int depth) {
    ++at_;
    out += '[';
    for (bool first = true;; first = false) {
      skip();
      if (take({&close, 1})) break;
      if (!first) out += ", ";
      if (!value(depth + 1)) return false;
      if (!between(close)) return false;
    }
    out += ']';
    return true;
  }

  bool dictionary(int depth) {
    ++at_;
    out += '{';
    for (bool first = true;; first = false) {
      skip();
      if (take("}")) break;
      if (!first) out += ", ";
      if ((next() != '"' && next() != '\'') || !string()) return false;
      skip();
      if (!take(":")) return false;
      out += ": ";
      skip();
      if (!value(depth + 1)) return false;
      if (!between('}')) return false;
    }
    out += '}';
    return true;
  }

  // A comma, or what closes, which stays.
  bool between(char close) {
    skip();
    return take(",") || next() == close;
  }

  bool string() {
    const char quote = next();
    const std::string three(3, quote);
    const std::string_view end =
        rest().starts_with(three) ? std::string_view(three) : std::string_view(three).substr(0, 1);
    at_ += end.size();
    out += '"';
    while (!take(end)) {
      if (at_ == text_.size()) return false;
      if (next() == '\\') {
        if (!escape()) return false;
        continue;
      }
      if (next() == '\n' && end.size() == 1) return false;
      out += json_escaped(text_.substr(at_++, 1));
    }
    out += '"';
    return true;
  }

  bool escape() {
    ++at_;
    if (at_ == text_.size()) return false;
    constexpr std::string_view kNames = "ntrbfva\\'\"/\n", kChars = "\n\t\r\b\f\v\a\\'\"/";
    const char c = text_[at_++];
    if (const size_t known = kNames.find(c); known != kNames.npos) {
      if (known < kChars.size()) out += json_escaped(kChars.substr(known, 1));  // else: no line end
      return true;
    }
    if (c == 'x') return character(2);
    if (c == 'u') return character(4);
    if (c == 'U') return character(8);
    if (c >= '0' && c <= '7') return octal(c - '0');
    out += json_escaped(std::string{'\\', c});
    return true;
  }

  bool hex(int digits, char32_t& code) {
    code = 0;
    for (int i = 0; i < digits; ++i) {
      const int digit = hex_digit(next());
      if (digit < 0) return false;
      code = code * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    return true;
  }

  bool character(int digits) {
    char32_t code = 0;
    if (!hex(digits, code)) return false;
    char32_t low = 0;
    const size_t here = at_;
    if (code >= 0xD800 && code < 0xDC00 && take("\\u") && hex(4, low) && low >= 0xDC00 &&
        low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xD800 && code < 0xE000) {
      at_ = here;
      code = kReplacementChar;
    }
    if (code > 0x10FFFF) return false;
    append(code);
    return true;
  }

  bool octal(int code) {
    for (int i = 0; i < 2 && next() >= '0' && next() <= '7'; ++i)
      code = code * 8 + text_[at_++] - '0';
    append(static_cast<char32_t>(code));
    return true;
  }

  void append(char32_t code) {
    std::string utf8;
    append_utf8(utf8, code);
    out += json_escaped(utf8);
  }

  // A number or a word.
  bool word() {
    const size_t size = std::min(rest().find_first_of(" \n\t\r,:()[]{}'\""), rest().size());
    std::string text(rest().substr(0, size));
    at_ += size;
    for (const auto& [python, json] :
         {std::pair{"True", "true"}, std::pair{"False", "false"}, std::pair{"None", "null"}}) {
      if (text == python) text = json;
    }
    if (text.starts_with('+')) text.erase(0, 1);
    if (text.starts_with('.')) text.insert(0, 1, '0');
    if (text.ends_with('.')) text += '0';
    if (text.empty() || !Json::accept(text)) return false;
    out += text;
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::string> python_literal_json(std::string_view text) {
  LiteralReader reader(text);
  if (!reader.all()) return std::nullopt;
  return std::move(reader.out);
}

}  // namespace ingot
