#include "text/grammar/ebnf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr std::string_view kShortEscapes = "\"\\\b\f\n\r\t", kShortNames = "\"\\bfnrt";

void append_code(std::string& out, char32_t code) {
  const bool plain = (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
                     (code >= 'a' && code <= 'z') || code == ' ' || code == '_';
  if (plain) {
    out += static_cast<char>(code);
  } else if (code <= 0xFFFF) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
  } else {
    out += fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
  }
}

}  // namespace

std::string EbnfWriter::name(std::string_view hint) { return fmt::format("{}_{}", hint, names_++); }

void EbnfWriter::define(std::string_view name, std::string_view body) {
  text_ += fmt::format("{} ::= {}\n", name, body);
  if (text_.size() > max_bytes_) {
    fail(ErrorCode::kUnsupported, kWhere, "the grammar is too large: more than {} bytes of rules",
         max_bytes_);
  }
}

std::string EbnfWriter::add(std::string_view hint, std::string_view body) {
  std::string rule = name(hint);
  define(rule, body);
  return rule;
}

std::string ebnf_literal(std::string_view utf8) {
  std::string out = "\"";
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char c = decode_utf8(utf8, i);
    append_code(out, c.code);
    i += c.length;
  }
  return out + "\"";
}

namespace {

// The texts from `begin` to `end` of the sorted ones, which share their first `at` bytes: what
// follows these.
std::string text_tree(std::span<const std::string> texts, size_t at, EbnfWriter& writer) {
  std::string_view first = texts.front(), last = texts.back();
  first.remove_prefix(at);
  last.remove_prefix(at);
  size_t shared = 0;
  while (shared < first.size()) {
    const size_t length = decode_utf8(first, shared).length;
    if (first.substr(shared, length) != last.substr(std::min(shared, last.size()), length)) break;
    shared += length;
  }
  std::string out = ebnf_literal(first.substr(0, shared));
  if (texts.size() == 1) return out;
  at += shared;
  std::string branches;
  while (!texts.empty()) {
    const std::string_view next = std::string_view(texts.front()).substr(at);
    const size_t length = next.empty() ? 0 : decode_utf8(next, 0).length;
    size_t same = 1;
    while (same < texts.size() && texts[same].compare(at, length, next, 0, length) == 0 &&
           length > 0) {
      ++same;
    }
    branches += branches.empty() ? "" : " | ";
    branches += length == 0 ? "\"\"" : text_tree(texts.first(same), at, writer);
    texts = texts.subspan(same);
  }
  return out + " " + writer.add("text", branches);
}

}  // namespace

std::string ebnf_texts(std::vector<std::string> texts, EbnfWriter& writer) {
  constexpr size_t kFew = 64;
  if (texts.size() > kFew) {
    std::ranges::sort(texts);
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    return text_tree(texts, 0, writer);
  }
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : " | ") + ebnf_literal(text);
  return out;
}

std::string ebnf_class(const CodeSet& set) {
  std::string out = "[";
  for (const auto& [low, high] : set.ranges()) {
    append_code(out, low);
    if (high == low) continue;
    out += "-";
    append_code(out, high);
  }
  return out + "]";
}

std::string ebnf_times(int64_t least, int64_t most) {
  if (least == 1 && most == 1) return "";
  if (least == 0 && most < 0) return "*";
  if (least == 1 && most < 0) return "+";
  if (least == 0 && most == 1) return "?";
  if (most < 0) return fmt::format("{{{},}}", least);
  return fmt::format("{{{},{}}}", least, most);
}

const CodeSet& json_plain_codes() {
  static const CodeSet plain = CodeSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.complement();
  return plain;
}

std::string json_char_element(const CodeSet& set) {
  std::string out;
  const CodeSet plain = set.intersect(json_plain_codes());
  if (!plain.empty()) out = ebnf_class(plain);
  std::vector<CodeSet::Range> escapes;
  for (size_t i = 0; i < kShortEscapes.size(); ++i) {
    if (!set.contains(static_cast<unsigned char>(kShortEscapes[i]))) continue;
    const char32_t name = static_cast<unsigned char>(kShortNames[i]);
    escapes.push_back({name, name});
  }
  if (!escapes.empty()) {
    if (!out.empty()) out += " | ";
    out += "\"\\\\\" " + ebnf_class(CodeSet(escapes));
  }
  for (const char32_t high : {U'0', U'1'}) {
    std::vector<CodeSet::Range> digits;
    for (uint32_t low = 0; low < 16; ++low) {
      const char32_t code = (high - U'0') * 16 + low;
      if (!set.contains(code) || kShortEscapes.find(static_cast<char>(code)) != std::string::npos) {
        continue;
      }
      const char32_t digit = static_cast<unsigned char>("0123456789abcdef"[low]);
      digits.push_back({digit, digit});
    }
    if (digits.empty()) continue;
    if (!out.empty()) out += " | ";
    out += fmt::format("\"\\\\u00{}\" {}", static_cast<char>(high), ebnf_class(CodeSet(digits)));
  }
  return plain == set ? out : "(" + out + ")";
}

}  // namespace ingot
