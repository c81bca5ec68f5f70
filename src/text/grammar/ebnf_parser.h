// Reads the EBNF that people write: rules as GBNF and XGrammar spell them. Internal to text/.
//
//   root ::= "a" item{1,3} ("," [^x-z])* | other?   # up to the line's end
//
// A rule ends where the next name with `::=` stands. `.` is any character; classes know \d \w \s
// and their opposites. Macros (`Regex(...)`), attributes of rules and look-ahead are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/code_set.h"

namespace ingot {

struct EbnfElement {
  enum class Kind : uint8_t { kText, kClass, kRule, kSequence, kChoice, kRepeat };
  Kind kind = Kind::kSequence;        // an empty sequence is the empty text
  std::string text;                   // kText: UTF-8
  CodeSet set;                        // kClass: one character of it
  int rule = 0;                       // kRule: index into EbnfRules::rules
  std::vector<EbnfElement> children;  // of sequences and choices; what is repeated
  int32_t least = 0, most = 0;        // kRepeat; most < 0: without end
  size_t at = 0;                      // byte offset of its first character
};

struct EbnfRule {
  std::string name;
  EbnfElement body;
  size_t at = 0;
};

struct EbnfRules {
  std::vector<EbnfRule> rules;  // each defined once
  int root = 0;
};

struct EbnfLimits {
  static constexpr size_t kBytes = size_t{64} << 10;
  static constexpr int kNesting = 64;  // of parentheses
  static constexpr int32_t kTimes = 10000;
};

// `text` is UTF-8. Error{kInvalidArgument}: a fault of syntax, a rule that is not defined or twice,
// no `root`, too long; Error{kUnsupported}: what is refused, or nested too deep. Both say line,
// column and what was found.
EbnfRules parse_ebnf(std::string_view text);

// "line 3, column 14" of a byte offset.
std::string ebnf_place(std::string_view text, size_t at);

}  // namespace ingot
