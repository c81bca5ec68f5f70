// Tokenizer files write Oniguruma's (Ruby) syntax. What PCRE2 reads differently is spelled out
// here.
#include <algorithm>

#include "base/error.h"
#include "text/tokenizer_pipeline/pattern.h"

namespace ingot {
namespace {

constexpr std::string_view kWord =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
    "\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
constexpr std::string_view kSpace =
    "\\t-\\r "
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";
constexpr std::string_view kHex = "0-9A-Fa-f";

class Translator {
 public:
  Translator(std::string_view in, std::string_view file) : in_(in), file_(file) {}

  std::string run() {
    while (i_ < in_.size()) {
      const char c = in_[i_];
      if (c == '\\' && i_ + 1 < in_.size()) {
        escape(in_[i_ + 1]);
        i_ += 2;
        copy_braces(in_[i_ - 1]);
        continue;
      }
      if (in_class_) {
        if (at("&&")) refuse("an intersection of sets");
        if (c == '[' && !at("[:")) {  // a set inside a set adds its members
          if (at("[^")) refuse("a negated set inside a set");
          ++inner_sets_;
          ++i_;
          continue;
        }
        if (c == ']' && inner_sets_ > 0) {
          --inner_sets_;
          ++i_;
          continue;
        }
        if (c == '[') copy_posix_class();
        in_class_ = c != ']' || first_in_class();
      } else if (c == '[') {
        in_class_ = true;
        class_start_ = i_;
      } else if (at("}+")) {
        refuse("'+' after a counted repeat");
      }
      out_ += in_[i_++];
    }
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::kUnsupported, "text/pattern",
         "{}: regular expression '{}': {} is not supported", file_, in_, what);
  }
  bool at(std::string_view text) const { return in_.substr(i_).starts_with(text); }
  // Whether i_ is the place where "]" is an ordinary member.
  bool first_in_class() const {
    return i_ == class_start_ + 1 || (i_ == class_start_ + 2 && in_[class_start_ + 1] == '^');
  }
  // What belongs to \p{..} and its like.
  void copy_braces(char letter) {
    const bool takes = letter == 'p' || letter == 'P' || letter == 'x' || letter == 'k';
    if (!takes || !at("{")) return;
    const size_t end = std::min(in_.find('}', i_), in_.size() - 1) + 1;
    out_ += in_.substr(i_, end - i_);
    i_ = end;
  }
  // Copies "[:name:" and leaves i_ at the "]" that ends it, to be copied as a member.
  void copy_posix_class() {
    const size_t end = in_.find(":]", i_ + 2);
    if (end == in_.npos) refuse("a set inside a set");
    out_ += in_.substr(i_, end + 2 - i_);
    i_ = end + 2;
    if (i_ >= in_.size()) refuse("a set without an end");
  }

  void set(std::string_view members) {
    out_ += in_class_ ? std::string(members) : "[" + std::string(members) + "]";
  }
  void negated_set(char letter, std::string_view members) {
    if (in_class_) refuse(fmt::format("\\{} inside a set", letter));
    out_ += "[^" + std::string(members) + "]";
  }
  void escape(char letter) {
    switch (letter) {
      case 'w':
        return set(kWord);
      case 's':
        return set(kSpace);
      case 'h':
        return set(kHex);
      case 'W':
        return negated_set(letter, kWord);
      case 'S':  // inside a set PCRE2's own, which differs in U+180E alone
        if (!in_class_) return negated_set(letter, kSpace);
        out_ += "\\S";
        return;
      case 'H':
        return negated_set(letter, kHex);
      case 'b':
      case 'B':
        if (!in_class_) refuse(fmt::format("\\{}", letter));
        [[fallthrough]];
      default:
        out_ += '\\';
        out_ += letter;
    }
  }

  std::string_view in_, file_;
  std::string out_;
  size_t i_ = 0;
  bool in_class_ = false;
  size_t class_start_ = 0;
  int inner_sets_ = 0;  // open ones
};

}  // namespace

std::string pcre_syntax(std::string_view expression, std::string_view file) {
  return Translator(expression, file).run();
}

}  // namespace ingot
