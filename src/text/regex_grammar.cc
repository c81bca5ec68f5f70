#include "text/regex_grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
using Kind = RegexNode::Kind;
constexpr int64_t kManyCharacters = int64_t{1} << 40;

// Where a match can end that begins at one of `from`: places in `codes`, sorted.
std::vector<size_t> match_ends(const RegexNode& node, const std::u32string& codes,
                               std::vector<size_t> from) {
  std::vector<size_t> ends;
  switch (node.kind) {
    case Kind::kClass:
      for (const size_t at : from) {
        if (at < codes.size() && node.set.contains(codes[at])) ends.push_back(at + 1);
      }
      return ends;
    case Kind::kChoice:
      for (const RegexNode& child : node.children) {
        const std::vector<size_t> some = match_ends(child, codes, from);
        ends.insert(ends.end(), some.begin(), some.end());
      }
      break;
    case Kind::kRepeat:
      if (node.least == 0) ends = from;
      for (int32_t i = 1; (node.most < 0 || i <= node.most) && !from.empty(); ++i) {
        from = match_ends(node.children[0], codes, from);
        const size_t before = ends.size();
        if (i < node.least) continue;
        ends.insert(ends.end(), from.begin(), from.end());
        std::sort(ends.begin(), ends.end());
        ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
        if (ends.size() == before) break;
      }
      return ends;
    default:
      for (const RegexNode& child : node.children) from = match_ends(child, codes, std::move(from));
      return from;
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

}  // namespace

TextLengths regex_lengths(const RegexNode& node) {
  TextLengths sum;
  switch (node.kind) {
    case Kind::kClass:
      return {1, 1};
    case Kind::kStart:
    case Kind::kEnd:
      return {0, 0};
    case Kind::kSequence:
      for (const RegexNode& child : node.children) {
        const TextLengths part = regex_lengths(child);
        sum.least = std::min(sum.least + part.least, kManyCharacters);
        sum.most = sum.most < 0 || part.most < 0 ? -1 : sum.most + part.most;
      }
      break;
    case Kind::kChoice:
      sum.least = kManyCharacters;
      for (const RegexNode& child : node.children) {
        const TextLengths part = regex_lengths(child);
        sum.least = std::min(sum.least, part.least);
        sum.most = sum.most < 0 || part.most < 0 ? -1 : std::max(sum.most, part.most);
      }
      break;
    case Kind::kRepeat: {
      const TextLengths part = regex_lengths(node.children[0]);
      sum.least = std::min(part.least * node.least, kManyCharacters);
      if (part.most == 0) return {sum.least, 0};
      sum.most = part.most < 0 || node.most < 0 ? -1 : part.most * node.most;
      break;
    }
  }
  if (sum.most > kManyCharacters) sum.most = -1;
  return sum;
}

bool regex_matches(const RegexNode& node, std::string_view text) {
  std::u32string codes;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    codes += c.code;
    i += c.length;
  }
  const std::vector<size_t> ends = match_ends(node, codes, {0});
  return !ends.empty() && ends.back() == codes.size();
}

bool limit_regex(RegexNode& node, int64_t least, int64_t most) {
  const TextLengths lengths = regex_lengths(node);
  const bool long_enough = lengths.least >= least;
  const bool short_enough = most < 0 || (lengths.most >= 0 && lengths.most <= most);
  if (long_enough && short_enough) return true;
  if (node.kind == Kind::kSequence) {
    // All but one part have one length each.
    RegexNode* open = nullptr;
    int64_t fixed = 0;
    for (RegexNode& child : node.children) {
      const TextLengths part = regex_lengths(child);
      if (part.least == part.most) {
        fixed += part.least;
      } else if (open == nullptr) {
        open = &child;
      } else {
        return false;
      }
    }
    if (open == nullptr || (most >= 0 && most < fixed)) return false;
    return limit_regex(*open, std::max<int64_t>(0, least - fixed), most < 0 ? -1 : most - fixed);
  }
  if (node.kind != Kind::kRepeat) return false;
  const TextLengths each = regex_lengths(node.children[0]);
  if (each.least != each.most || each.least == 0) return false;
  const int64_t from = std::max<int64_t>(node.least, (least + each.least - 1) / each.least);
  int64_t to = most < 0 ? -1 : most / each.least;
  if (node.most >= 0) to = to < 0 ? node.most : std::min<int64_t>(to, node.most);
  if ((to >= 0 && to < from) || from > INT32_MAX || to > INT32_MAX) return false;
  node.least = static_cast<int32_t>(from);
  node.most = static_cast<int32_t>(to);
  return true;
}

std::string regex_element(const RegexNode& node, bool in_json, EbnfWriter& writer) {
  switch (node.kind) {
    case Kind::kClass:
      if (node.set.empty()) {
        fail(ErrorCode::kUnsupported, kWhere, "the expression has a class without characters");
      }
      return in_json ? json_char_element(node.set) : ebnf_class(node.set);
    case Kind::kSequence: {
      std::string out;
      for (const RegexNode& child : node.children) {
        const std::string part = regex_element(child, in_json, writer);
        if (part == "\"\"") continue;
        out += out.empty() ? part : " " + part;
      }
      if (out.empty()) return "\"\"";
      return node.children.size() == 1 ? out : "(" + out + ")";
    }
    case Kind::kChoice: {
      std::string out;
      for (const RegexNode& child : node.children) {
        out += (out.empty() ? "" : " | ") + regex_element(child, in_json, writer);
      }
      return writer.add("choice", out);
    }
    case Kind::kRepeat: {
      if (node.most == 0) return "\"\"";
      const std::string part = regex_element(node.children[0], in_json, writer);
      const std::string times = ebnf_times(node.least, node.most);
      return times.empty() ? part : "(" + part + times + ")";
    }
    default:
      break;
  }
  return "\"\"";
}

}  // namespace ingot
