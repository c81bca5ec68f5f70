#include "text/grammar/regex_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr int kMaxRegexNesting = 64;
constexpr int32_t kMaxRegexTimes = 65536;

using Kind = RegexNode::Kind;

const CodeSet& digits() {
  static const CodeSet set{{'0', '9'}};
  return set;
}
const CodeSet& word_codes() {
  static const CodeSet set{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}
// WhiteSpace and LineTerminator of ECMAScript.
const CodeSet& space_codes() {
  static const CodeSet set{{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                           {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                           {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}
const CodeSet& line_ends() {
  static const CodeSet set{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

RegexNode class_of(CodeSet set) {
  RegexNode node;
  node.kind = Kind::kClass;
  node.set = std::move(set);
  return node;
}

RegexNode repeat(RegexNode child, int32_t least, int32_t most) {
  RegexNode node;
  node.kind = Kind::kRepeat;
  node.least = least;
  node.most = most;
  node.children.push_back(std::move(child));
  return node;
}

// Recursive descent over the expression.
class RegexParser {
 public:
  explicit RegexParser(std::string_view text) : text_(text) {}

  RegexNode parse() {
    RegexNode node = choice();
    if (at_ < text_.size()) syntax("a ')' without its '('");
    return node;
  }

 private:
  [[noreturn]] void syntax(std::string_view what) const {
    fail(ErrorCode::kInvalidArgument, kWhere, "the expression has {} at byte {}", what, at_);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorCode::kUnsupported, kWhere, "{} at byte {} of the expression cannot be enforced",
         what, at_);
  }
  bool more() const { return at_ < text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  bool take(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  char32_t code() {
    const Utf8Char c = decode_utf8(text_, at_);
    if (!c.valid) syntax("bytes that are not UTF-8");
    at_ += c.length;
    return c.code;
  }

  RegexNode choice() {
    if (++nesting_ > kMaxRegexNesting) unsupported("so deep a group");
    RegexNode node;
    node.kind = Kind::kChoice;
    do {
      node.children.push_back(sequence());
    } while (take("|"));
    --nesting_;
    if (node.children.size() > 1) return node;
    RegexNode only = std::move(node.children[0]);
    return only;
  }

  RegexNode sequence() {
    RegexNode node;
    while (more() && peek() != '|' && peek() != ')') node.children.push_back(term());
    return node;
  }

  RegexNode term() {
    RegexNode node = atom();
    const bool anchor = node.kind == Kind::kStart || node.kind == Kind::kEnd;
    int32_t least = 1, most = 1;
    if (!quantifier(least, most)) return node;
    if (anchor) syntax("a quantifier after an anchor");
    take("?");  // lazy: the same texts
    if (more() && (peek() == '*' || peek() == '+' || peek() == '?')) syntax("two quantifiers");
    return repeat(std::move(node), least, most);
  }

  bool quantifier(int32_t& least, int32_t& most) {
    if (take("*")) {
      least = 0, most = -1;
    } else if (take("+")) {
      least = 1, most = -1;
    } else if (take("?")) {
      least = 0, most = 1;
    } else if (take("{")) {
      least = number();
      most = least;
      if (take(",")) most = peek() == '}' ? -1 : number();
      if (!take("}")) syntax("a '{' without its '}'");
      if (most >= 0 && most < least) syntax("a quantifier whose numbers are out of order");
    } else {
      return false;
    }
    return true;
  }

  int32_t number() {
    if (peek() < '0' || peek() > '9') syntax("no number");
    int32_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMaxRegexTimes)
        unsupported(fmt::format("more than {} repetitions", kMaxRegexTimes));
    }
    return value;
  }

  RegexNode atom() {
    if (take("^")) return anchor(Kind::kStart);
    if (take("$")) return anchor(Kind::kEnd);
    if (take(".")) return class_of(line_ends().complement());
    if (take("[")) return bracket();
    if (take("(")) return group();
    if (take("\\")) return escape();
    if (peek() == '*' || peek() == '+' || peek() == '?') syntax("a quantifier without an atom");
    if (peek() == '{') syntax("a '{' on its own");
    return class_of(CodeSet::of(code()));
  }

  static RegexNode anchor(Kind kind) {
    RegexNode node;
    node.kind = kind;
    return node;
  }

  RegexNode group() {
    if (take("?")) {
      if (peek() == '=' || peek() == '!') unsupported("a look-ahead");
      if (peek() == '<' && (peek(1) == '=' || peek(1) == '!')) unsupported("a look-behind");
      if (take("<")) {
        while (more() && peek() != '>') code();
        if (!take(">")) syntax("a group's name without its '>'");
      } else if (!take(":")) {
        unsupported("a group of this kind");
      }
    }
    RegexNode node = choice();
    if (!take(")")) syntax("a '(' without its ')'");
    return node;
  }

  // A class's escape; false: the escape is of one character.
  bool class_escape(CodeSet& set) {
    switch (peek()) {
      case 'd':
        set = digits();
        break;
      case 'D':
        set = digits().complement();
        break;
      case 'w':
        set = word_codes();
        break;
      case 'W':
        set = word_codes().complement();
        break;
      case 's':
        set = space_codes();
        break;
      case 'S':
        set = space_codes().complement();
        break;
      case 'p':
      case 'P':
        unsupported("a class of Unicode's properties");
      default:
        return false;
    }
    ++at_;
    return true;
  }

  RegexNode escape() {
    CodeSet set;
    if (class_escape(set)) return class_of(set);
    if (peek() == 'b' || peek() == 'B') unsupported("a word boundary");
    if (peek() == 'k' || (peek() >= '1' && peek() <= '9')) unsupported("a back reference");
    return class_of(CodeSet::of(escaped_code()));
  }

  char32_t escaped_code() {
    if (!more()) syntax("a backslash at its end");
    const char c = text_[at_];
    switch (c) {
      case 't':
        ++at_;
        return '\t';
      case 'n':
        ++at_;
        return '\n';
      case 'v':
        ++at_;
        return '\v';
      case 'f':
        ++at_;
        return '\f';
      case 'r':
        ++at_;
        return '\r';
      case '0':
        if (peek(1) >= '0' && peek(1) <= '9') unsupported("an octal escape");
        ++at_;
        return 0;
      case 'c':
        if ((peek(1) | 0x20) < 'a' || (peek(1) | 0x20) > 'z') syntax("'\\c' without a letter");
        at_ += 2;
        return static_cast<char32_t>(text_[at_ - 1] & 31);
      case 'x':
        ++at_;
        return hex(2);
      case 'u':
        ++at_;
        return unicode_escape();
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9');
    if (letter) syntax(fmt::format("an unknown escape '\\{}'", c));
    return code();
  }

  char32_t hex(int count) {
    char32_t value = 0;
    for (int i = 0; i < count; ++i, ++at_) {
      const char c = peek();
      const char low = static_cast<char>(c | 0x20);
      const int digit = c >= '0' && c <= '9'       ? c - '0'
                        : low >= 'a' && low <= 'f' ? low - 'a' + 10
                                                   : -1;
      if (digit < 0) syntax("too few hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
  }

  char32_t unicode_escape() {
    char32_t value = 0;
    if (take("{")) {
      do {
        value = value * 16 + hex(1);
      } while (more() && peek() != '}' && value <= 0x10FFFF);
      if (!take("}") || value > 0x10FFFF) syntax("no character of Unicode");
    } else {
      value = hex(4);
      if (value >= 0xD800 && value < 0xDC00 && take("\\u")) {
        const char32_t low = hex(4);
        if (low < 0xDC00 || low > 0xDFFF) syntax("half a surrogate pair");
        return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
      }
    }
    if (value >= 0xD800 && value < 0xE000) syntax("half a surrogate pair");
    return value;
  }

  RegexNode bracket() {
    const bool negative = take("^");
    std::vector<CodeSet::Range> ranges;
    while (more() && peek() != ']') {
      CodeSet item;
      if (!bracket_item(item)) {
        ranges.insert(ranges.end(), item.ranges().begin(), item.ranges().end());
        continue;
      }
      const char32_t low = item.ranges()[0].first;
      char32_t last = low;
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        CodeSet end;
        if (!bracket_item(end)) syntax("a range that ends with a class");
        last = end.ranges()[0].first;
        if (last < low) syntax("a range out of order");
      }
      ranges.emplace_back(low, last);
    }
    if (!take("]")) syntax("a '[' without its ']'");
    const CodeSet set(ranges);
    return class_of(negative ? set.complement() : set);
  }

  // True: one character, which may begin a range.
  bool bracket_item(CodeSet& item) {
    if (!take("\\")) {
      item = CodeSet::of(code());
      return true;
    }
    if (class_escape(item)) return false;
    if (take("b")) {
      item = CodeSet::of('\b');
    } else {
      item = CodeSet::of(escaped_code());
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
};

bool has_anchor(const RegexNode& node) {
  if (node.kind == Kind::kStart || node.kind == Kind::kEnd) return true;
  for (const RegexNode& child : node.children) {
    if (has_anchor(child)) return true;
  }
  return false;
}

// Anchors at the ends of each alternative become what may stand before and behind it.
RegexNode without_anchors(RegexNode node, RegexUse use) {
  if (node.kind == Kind::kChoice && (use == RegexUse::kFind || has_anchor(node))) {
    for (RegexNode& child : node.children) child = without_anchors(std::move(child), use);
    return node;
  }
  if (node.kind == Kind::kSequence && node.children.size() == 1 &&
      (node.children[0].kind == Kind::kChoice || node.children[0].kind == Kind::kSequence)) {
    RegexNode inner = std::move(node.children[0]);
    return without_anchors(std::move(inner), use);
  }
  if (node.kind != Kind::kSequence) {
    RegexNode sequence;
    sequence.children.push_back(std::move(node));
    node = std::move(sequence);
  }
  std::vector<RegexNode>& parts = node.children;
  bool start = use == RegexUse::kWhole, end = start;
  const auto first = std::find_if(parts.begin(), parts.end(),
                                  [](const RegexNode& part) { return part.kind != Kind::kStart; });
  start = start || first != parts.begin();
  parts.erase(parts.begin(), first);
  while (!parts.empty() && parts.back().kind == Kind::kEnd) {
    end = true;
    parts.pop_back();
  }
  if (has_anchor(node)) {
    fail(ErrorCode::kUnsupported, kWhere,
         "an anchor inside the expression cannot be enforced; '^' may open and '$' may end an "
         "alternative");
  }
  const RegexNode any = repeat(class_of(CodeSet::all()), 0, -1);
  if (!start) parts.insert(parts.begin(), any);
  if (!end) parts.push_back(any);
  return node;
}

}  // namespace

RegexNode parse_regex(std::string_view expression, RegexUse use) {
  return without_anchors(RegexParser(expression).parse(), use);
}

}  // namespace ingot
