// Writes grammars as EBNF text in XGrammar's syntax. Internal to text/.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/grammar/code_set.h"

namespace ingot {

class EbnfWriter {
 public:
  // Error{kUnsupported} from define() when the text gets longer than that.
  explicit EbnfWriter(size_t max_bytes) : max_bytes_(max_bytes) {}
  // A name that no other rule has.
  std::string name(std::string_view hint);
  // `body`: alternatives, each a sequence of elements.
  void define(std::string_view name, std::string_view body);
  std::string add(std::string_view hint, std::string_view body);
  const std::string& text() const { return text_; }

 private:
  size_t max_bytes_;
  size_t names_ = 0;
  std::string text_;
};

// A literal; `utf8` must be valid. Empty text is the empty element.
std::string ebnf_literal(std::string_view utf8);
// One of the texts, each valid UTF-8: alternatives. Many become a tree of rules, in which a reader
// is at one place whatever their number.
std::string ebnf_texts(std::vector<std::string> texts, EbnfWriter& writer);
// A character class; the set must not be empty.
std::string ebnf_class(const CodeSet& set);
// "{2,5}", "{2,}", "*", "+", "?" or "": least to most times; most < 0: without end.
std::string ebnf_times(int64_t least, int64_t most);

// One character of `set` as Json::dump() spells it inside a string: an element. Quote, backslash
// and control characters are escaped, all others stand for themselves.
std::string json_char_element(const CodeSet& set);
// The characters that stand for themselves in a JSON string.
const CodeSet& json_plain_codes();

}  // namespace ingot
