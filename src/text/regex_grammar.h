// Regular expressions (ECMAScript with the flag u, as JSON Schema has them) as grammars. Internal
// to text/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_set.h"
#include "text/ebnf_writer.h"

namespace ingot {

struct RegexNode {
  enum class Kind : uint8_t { kClass, kSequence, kChoice, kRepeat, kStart, kEnd };
  Kind kind = Kind::kSequence;  // an empty sequence is the empty text
  CodeSet set;                  // kClass: one character of it
  std::vector<RegexNode> children;
  int32_t least = 0, most = 0;  // kRepeat of children[0]; most < 0: without end
};

// How a text relates to the expression.
enum class RegexUse : uint8_t {
  kWhole,  // the whole text matches
  kFind,   // some stretch of the text matches, as in JSON Schema's `pattern`
};

// An expression without anchors whose whole matches are the texts. Error{kUnsupported} names what
// no grammar says (look-around, back references, anchors inside), Error{kInvalidArgument} a fault
// of syntax with its byte offset.
RegexNode parse_regex(std::string_view expression, RegexUse use);

// Characters of the shortest and longest text; longest < 0: without end.
struct TextLengths {
  int64_t least = 0, most = 0;
};
TextLengths regex_lengths(const RegexNode& node);
// Keeps the texts of least to most characters (most < 0: without end). False where the expression's
// form does not say how: then it is as it was.
bool limit_regex(RegexNode& node, int64_t least, int64_t most);

// Whether the texts have this one, which is valid UTF-8.
bool regex_matches(const RegexNode& node, std::string_view text);

// An element of EBNF for the texts; inside a JSON string, in json_spelling(), where `in_json`.
std::string regex_element(const RegexNode& node, bool in_json, EbnfWriter& writer);

}  // namespace ingot
