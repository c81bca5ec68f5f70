#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Every line break becomes \n, and one at the very end is dropped.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name)
      : source_(normalize_newlines(source)), name_(name) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) read_data_and_tag();
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(std::string_view reason) const {
    fail(ErrorCode::kInvalidArgument, "text/chat_template", "{}: line {}: {}", name_, line_,
         reason);
  }
  bool at(std::string_view text) const {
    return std::string_view(source_).substr(pos_).starts_with(text);
  }
  void add(TokenType type, std::string_view text) {
    tokens_.push_back({type, std::string(text), line_});
  }
  void advance(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + pos_, source_.begin() + end, '\n'));
    pos_ = end;
  }

  // What stands between tags. `{%-` takes the white space before it; else what stands before a
  // block or comment that begins its line goes (lstrip_blocks), unless it opens with a plus.
  void read_data_and_tag() {
    size_t tag = pos_;
    while ((tag = source_.find('{', tag)) != std::string::npos) {
      const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    if (tag == std::string::npos) {
      add_data(source_.substr(pos_));
      advance(source_.size());
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    std::string data = source_.substr(pos_, tag - pos_);
    if (sign == '-') {
      while (!data.empty() && is_space(data.back())) data.pop_back();
    } else if (sign != '+' && kind != '{') {
      const size_t line = data.rfind('\n') + 1;  // npos + 1 is 0
      const bool starts_line = line > 0 || line_starting_;
      if (starts_line && std::all_of(data.begin() + line, data.end(), is_space)) data.resize(line);
    }
    add_data(data);
    advance(tag + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    line_starting_ = false;
    if (kind == '#') return skip_comment();
    if (kind == '%' && skip_raw()) return;
    add(kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, "");
    read_tag(kind == '{');
  }

  void add_data(std::string_view data) {
    if (!data.empty()) add(TokenType::kData, data);
  }

  // At the end of a tag ("%}" and the like, a sign in front): passes it and the white space that
  // goes with it. False when this is no end.
  bool pass_end(std::string_view end, bool trims_newline) {
    const bool minus = at("-"), plus = at("+") && trims_newline;
    if (std::string_view(source_).substr(pos_ + (minus || plus ? 1 : 0)).starts_with(end) ==
        false) {
      return false;
    }
    size_t next = pos_ + (minus || plus ? 1 : 0) + end.size();
    if (minus) {
      while (next < source_.size() && is_space(source_[next])) ++next;
    } else if (trims_newline && !plus && next < source_.size() && source_[next] == '\n') {
      ++next;
    }
    line_starting_ = source_[next - 1] == '\n';
    advance(next);
    return true;
  }

  void skip_comment() {
    const size_t end = source_.find("#}", pos_);
    if (end == std::string::npos) error("a comment has no end");
    const bool sign = end > pos_ && (source_[end - 1] == '-' || source_[end - 1] == '+');
    advance(end - (sign ? 1 : 0));
    pass_end("#}", true);
  }

  // {% raw %} ... {% endraw %}: all of it is data.
  bool skip_raw() {
    const size_t start = pos_;
    const int start_line = line_;
    const auto skip_spaces = [&] {
      while (pos_ < source_.size() && is_space(source_[pos_])) advance(pos_ + 1);
    };
    skip_spaces();
    const bool raw = at("raw");
    if (raw) {
      pos_ += 3;
      skip_spaces();
    }
    if (!raw || !pass_end("%}", true)) {
      pos_ = start;
      line_ = start_line;
      return false;
    }
    for (size_t open = source_.find("{%", pos_); open != std::string::npos;
         open = source_.find("{%", open + 2)) {
      size_t i = open + 2;
      const bool minus = i < source_.size() && source_[i] == '-';
      if (minus || (i < source_.size() && source_[i] == '+')) ++i;
      while (i < source_.size() && is_space(source_[i])) ++i;
      if (!std::string_view(source_).substr(i).starts_with("endraw")) continue;
      std::string data = source_.substr(pos_, open - pos_);
      while (minus && !data.empty() && is_space(data.back())) data.pop_back();
      add_data(data);
      advance(i + 6);
      skip_spaces();
      if (!pass_end("%}", true)) error("'endraw' is not followed by %}");
      return true;
    }
    error("'raw' has no 'endraw'");
  }

  void read_tag(bool variable) {
    std::string open;  // brackets not yet closed
    while (true) {
      while (pos_ < source_.size() && is_space(source_[pos_])) advance(pos_ + 1);
      if (pos_ >= source_.size()) error("a tag has no end");
      if (open.empty() && pass_end(variable ? "}}" : "%}", !variable)) {
        add(variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, "");
        return;
      }
      const char c = source_[pos_];
      if (is_name_start(c)) {
        read_name();
      } else if (is_digit(c)) {
        read_number();
      } else if (c == '\'' || c == '"') {
        read_string(c);
      } else {
        read_operator(open);
      }
    }
  }

  void read_name() {
    size_t end = pos_;
    while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
    add(TokenType::kName, source_.substr(pos_, end - pos_));
    advance(end);
  }

  void read_number() {
    size_t end = pos_;
    const auto digits = [&] {
      while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
    };
    digits();
    bool real = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      real = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) {
        ++exponent;
      }
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        real = true;
        end = exponent;
        digits();
      }
    }
    std::string text = source_.substr(pos_, end - pos_);
    std::erase(text, '_');
    add(real ? TokenType::kFloat : TokenType::kInteger, text);
    advance(end);
  }

  char32_t read_hex(size_t& i, size_t count) {
    char32_t code = 0;
    for (size_t k = 0; k < count; ++k, ++i) {
      const char c = i < source_.size() ? source_[i] : '\0';
      const int digit = is_digit(c)                              ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      if (digit < 0) error("a string holds a broken escape");
      code = code * 16 + static_cast<char32_t>(digit);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      error("a string holds an escape that is no character");
    }
    return code;
  }

  void read_string(char quote) {
    std::string out;
    size_t i = pos_ + 1;
    while (true) {
      if (i >= source_.size()) error("a string has no end");
      const char c = source_[i++];
      if (c == quote) break;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (i >= source_.size()) error("a string has no end");
      const char e = source_[i++];
      static constexpr std::string_view kFrom = "nrtbfav0\\'\"", kTo("\n\r\t\b\f\a\v\0\\'\"", 11);
      if (const size_t known = kFrom.find(e); known != kFrom.npos) {
        out += kTo[known];
      } else if (e == 'x') {
        append_utf8(out, read_hex(i, 2));
      } else if (e == 'u') {
        append_utf8(out, read_hex(i, 4));
      } else if (e == 'U') {
        append_utf8(out, read_hex(i, 8));
      } else if (e != '\n') {  // an escaped line break joins the lines
        out += '\\';
        out += e;
      }
    }
    add(TokenType::kString, out);
    advance(i);
  }

  void read_operator(std::string& open) {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  ".",  ":",  "|",  "(",  ")", "[", "]", "{", "}", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!at(op)) continue;
      const size_t opens = std::string_view("([{").find(op);
      const size_t closes = std::string_view(")]}").find(op);
      if (opens != std::string_view::npos) open += ")]}"[opens];
      if (closes != std::string_view::npos) {
        if (open.empty() || open.back() != op[0]) error(fmt::format("unexpected '{}'", op));
        open.pop_back();
      }
      add(TokenType::kOperator, op);
      advance(pos_ + op.size());
      return;
    }
    const Utf8Char c = decode_utf8(source_, pos_);
    error(fmt::format("unexpected character U+{:04X}", static_cast<uint32_t>(c.code)));
  }

  std::string source_;
  std::string_view name_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source, std::string_view name) {
  return Lexer(source, name).run();
}

}  // namespace ingot::jinja
