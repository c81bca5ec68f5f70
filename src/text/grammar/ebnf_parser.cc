#include "text/grammar/ebnf_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
using Kind = EbnfElement::Kind;

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// XGrammar's, whose arguments are no elements.
bool is_macro(std::string_view name) {
  return name == "TagDispatch" || name == "Token" || name == "ExcludeToken" || name == "Regex" ||
         name == "Substring";
}

// Recursive descent over the text.
class EbnfParser {
 public:
  explicit EbnfParser(std::string_view text) : text_(text) {}

  EbnfRules parse() {
    skip_space();
    while (more()) rule();
    if (out_.rules.empty()) malformed(0, "rules: NAME ::= ...");
    for (size_t i = 0; i < out_.rules.size(); ++i) {
      if (defined_[i]) continue;
      const EbnfRule& rule = out_.rules[i];
      if (called_[i]) refuse(rule.at, fmt::format("the macro '{}(...)'", rule.name));
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: the rule '{}' is not defined",
           ebnf_place(text_, rule.at), rule.name);
    }
    const auto root = ids_.find("root");
    if (root == ids_.end()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "the grammar has no rule 'root'");
    }
    out_.root = root->second;
    return std::move(out_);
  }

 private:
  [[noreturn]] void malformed(size_t at, std::string_view expected) const {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: expected {}, found {}", ebnf_place(text_, at),
         expected, found(at));
  }
  [[noreturn]] void refuse(size_t at, std::string_view what) const {
    fail(ErrorCode::kUnsupported, kWhere, "{}: {} cannot be enforced", ebnf_place(text_, at), what);
  }
  std::string found(size_t at) const {
    if (at >= text_.size()) return "the end";
    size_t end = at + 1;
    if (name_char(text_[at])) {
      while (end < text_.size() && end < at + 40 && name_char(text_[end])) ++end;
    } else {
      end = at + decode_utf8(text_, at).length;
    }
    return fmt::format("'{}'", text_.substr(at, end - at));
  }

  bool more() const { return at_ < text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  bool take(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  void skip_space() {
    while (more()) {
      if (peek() == '#') {
        while (more() && peek() != '\n' && peek() != '\r') ++at_;
      } else if (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string_view name() {
    const size_t begin = at_;
    while (name_char(peek()) || (at_ > begin && peek() == '.')) ++at_;
    if (at_ == begin) malformed(begin, "the name of a rule");
    return text_.substr(begin, at_ - begin);
  }

  int rule_id(std::string_view name, size_t at) {
    const auto [it, added] =
        ids_.try_emplace(std::string(name), static_cast<int>(out_.rules.size()));
    if (added) {
      out_.rules.push_back({std::string(name), {}, at});
      defined_.push_back(false);
      called_.push_back(false);
    }
    return it->second;
  }

  // Whether a rule begins here.
  bool at_rule() {
    const size_t before = at_;
    bool is = false;
    if (name_char(peek())) {
      name();
      skip_space();
      is = peek() == ':' && peek(1) == ':' && peek(2) == '=';
    }
    at_ = before;
    return is;
  }

  void rule() {
    const size_t begin = at_;
    const std::string_view rule_name = name();
    skip_space();
    if (peek() == '[') refuse(at_, fmt::format("an attribute of the rule '{}'", rule_name));
    if (!take("::=")) malformed(at_, fmt::format("'::=' behind '{}'", rule_name));
    const auto id = static_cast<size_t>(rule_id(rule_name, begin));
    if (defined_[id]) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: the rule '{}' is defined a second time",
           ebnf_place(text_, begin), rule_name);
    }
    defined_[id] = true;
    EbnfElement body = choice();
    if (more() && !at_rule()) malformed(at_, "an element, '|' or the next rule");
    out_.rules[id].body = std::move(body);
    out_.rules[id].at = begin;
  }

  EbnfElement choice() {
    if (++nesting_ > EbnfLimits::kNesting) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: groups are nested deeper than {}",
           ebnf_place(text_, at_), EbnfLimits::kNesting);
    }
    EbnfElement out;
    out.kind = Kind::kChoice;
    skip_space();
    out.at = at_;
    do {
      out.children.push_back(sequence());
    } while (take("|"));
    --nesting_;
    if (out.children.size() > 1) return out;
    EbnfElement only = std::move(out.children[0]);
    const bool empty = only.kind == Kind::kSequence && only.children.empty();
    if (empty) malformed(at_, "an element (\"\" is the empty text)");
    return only;
  }

  // May be empty, as an alternative is in GBNF: `ws ::= | " " ws`.
  EbnfElement sequence() {
    EbnfElement out;
    skip_space();
    out.at = at_;
    while (more() && peek() != '|' && peek() != ')' && !at_rule()) {
      out.children.push_back(repeated());
      skip_space();
    }
    if (out.children.size() != 1) return out;
    EbnfElement only = std::move(out.children[0]);
    return only;
  }

  EbnfElement repeated() {
    EbnfElement node = element();
    skip_space();
    int32_t least = 0, most = -1;
    if (take("?")) {
      most = 1;
    } else if (take("+")) {
      least = 1;
    } else if (take("{")) {
      times(least, most);
    } else if (!take("*")) {
      return node;
    }
    skip_space();
    if (more() && std::string_view("?*+{").find(peek()) != std::string_view::npos) {
      malformed(at_, "one repetition behind an element");
    }
    EbnfElement out;
    out.kind = Kind::kRepeat;
    out.at = node.at;
    out.least = least;
    out.most = most;
    out.children.push_back(std::move(node));
    return out;
  }

  // "{2}", "{2,}", "{2,5}" or "{,5}", behind the brace.
  void times(int32_t& least, int32_t& most) {
    const size_t begin = at_ - 1;
    skip_space();
    least = peek() == ',' ? 0 : number();
    most = least;
    skip_space();
    if (take(",")) {
      skip_space();
      most = peek() == '}' ? -1 : number();
      skip_space();
    }
    if (!take("}")) malformed(at_, "'}' behind a repetition's numbers");
    if (most >= 0 && least > most) malformed(begin, "a repetition of at least one number of times");
  }

  int32_t number() {
    const size_t begin = at_;
    if (peek() < '0' || peek() > '9') malformed(at_, "a number of repetitions");
    int32_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + (peek() - '0');
      if (value > EbnfLimits::kTimes) {
        refuse(begin, fmt::format("more than {} repetitions", EbnfLimits::kTimes));
      }
    }
    return value;
  }

  EbnfElement element() {
    EbnfElement out;
    out.at = at_;
    if (peek() == '"') {
      out.kind = Kind::kText;
      out.text = literal();
    } else if (peek() == '[') {
      out.kind = Kind::kClass;
      out.set = bracket();
    } else if (take("(")) {
      if (peek() == '=') refuse(out.at, "a look-ahead '(=...)'");
      out = choice();
      if (!take(")")) malformed(at_, "')'");
    } else if (take(".")) {
      out.kind = Kind::kClass;
      out.set = CodeSet::all();
    } else if (name_char(peek())) {
      const std::string_view rule_name = name();
      out.kind = Kind::kRule;
      out.rule = rule_id(rule_name, out.at);
      const bool called = peek() == '(';
      if (called && !defined_[static_cast<size_t>(out.rule)] && is_macro(rule_name)) {
        refuse(out.at, fmt::format("the macro '{}(...)'", rule_name));
      }
      if (called) called_[static_cast<size_t>(out.rule)] = true;
    } else {
      malformed(at_, "a text, a class, a group or a rule's name");
    }
    return out;
  }

  std::string literal() {
    const size_t begin = at_++;
    std::string out;
    while (peek() != '"') {
      if (!more() || peek() == '\n' || peek() == '\r') {
        fail(ErrorCode::kInvalidArgument, kWhere, "{}: a text without its closing '\"'",
             ebnf_place(text_, begin));
      }
      append_utf8(out, code());
    }
    ++at_;
    return out;
  }

  CodeSet bracket() {
    const size_t begin = at_++;
    const bool negative = take("^");
    std::vector<CodeSet::Range> ranges;
    while (peek() != ']') {
      if (!more() || peek() == '\n' || peek() == '\r') {
        fail(ErrorCode::kInvalidArgument, kWhere, "{}: a class without its closing ']'",
             ebnf_place(text_, begin));
      }
      if (named_class(ranges)) continue;
      const char32_t low = code();
      char32_t high = low;
      if (peek() == '-' && at_ + 1 < text_.size() && peek(1) != ']') {
        const size_t end = ++at_;
        high = code();
        if (high < low) malformed(end, "a range's end behind its begin");
      }
      ranges.emplace_back(low, high);
    }
    ++at_;
    CodeSet set(ranges);
    if (negative) set = set.complement();
    if (set.empty()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: a class without characters",
           ebnf_place(text_, begin));
    }
    return set;
  }

  bool named_class(std::vector<CodeSet::Range>& ranges) {
    if (peek() != '\\') return false;
    CodeSet set;
    switch (peek(1) | 0x20) {
      case 'd':
        set = CodeSet{{'0', '9'}};
        break;
      case 'w':
        set = CodeSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
        break;
      case 's':
        set = CodeSet{{'\t', '\r'}, {' ', ' '}};
        break;
      default:
        return false;
    }
    if (peek(1) < 'a') set = set.complement();
    ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end());
    at_ += 2;
    return true;
  }

  // A character as it stands or escaped.
  char32_t code() {
    if (peek() != '\\') {
      const Utf8Char c = decode_utf8(text_, at_);
      at_ += c.length;
      return c.code;
    }
    constexpr std::string_view kLetters = "nrtbfva0", kCodes("\n\r\t\b\f\v\a\0", 8);
    constexpr std::string_view kThemselves = "\"'\\/?^$.*+()[]{}|-";
    const char c = peek(1);
    const size_t begin = at_;
    at_ += 2;
    if (c != 0 && kLetters.find(c) != std::string_view::npos) {
      return static_cast<unsigned char>(kCodes[kLetters.find(c)]);
    }
    if (c != 0 && kThemselves.find(c) != std::string_view::npos) {
      return static_cast<unsigned char>(c);
    }
    const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) malformed(begin + 1, "an escape: \\n, \\t, \\\", \\\\, \\x41, \\u0041");
    char32_t value = hex(digits);
    if (c == 'u' && value >= 0xD800 && value < 0xDC00 && take("\\u")) {
      const char32_t low = hex(4);
      value = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)
                                            : 0xD800;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      malformed(begin, "an escape of a character of Unicode");
    }
    return value;
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek(), low = static_cast<char>(c | 0x20);
      const bool letter = low >= 'a' && low <= 'f';
      if (!letter && (c < '0' || c > '9')) malformed(at_, "a hexadecimal digit");
      value = value * 16 + static_cast<char32_t>(letter ? low - 'a' + 10 : c - '0');
    }
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
  EbnfRules out_;
  std::map<std::string, int, std::less<>> ids_;
  std::vector<bool> defined_;  // by rule
  std::vector<bool> called_;   // a '(' stands right behind its name
};

}  // namespace

EbnfRules parse_ebnf(std::string_view text) {
  if (text.size() > EbnfLimits::kBytes) {
    fail(ErrorCode::kInvalidArgument, kWhere, "the rules have {} bytes; at most {} are taken",
         text.size(), EbnfLimits::kBytes);
  }
  return EbnfParser(text).parse();
}

std::string ebnf_place(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const size_t line_begin = before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", std::count(before.begin(), before.end(), '\n') + 1,
                     at - line_begin + 1);
}

}  // namespace ingot
