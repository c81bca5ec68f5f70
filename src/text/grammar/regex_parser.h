// Regular expressions (ECMAScript with the flag u, as JSON Schema has them) as grammars. Internal
// to text/.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/grammar/code_set.h"

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

}  // namespace ingot
