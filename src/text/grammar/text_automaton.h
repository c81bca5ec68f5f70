// Sets of texts as deterministic automata over characters: what patterns, formats, lengths and
// names of a JSON Schema come to when they hold together. Internal to text/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/code_set.h"
#include "text/grammar/ebnf_writer.h"
#include "text/grammar/regex_parser.h"

namespace ingot {

class TextAutomaton {
 public:
  // The texts of an expression. Error{kUnsupported} when there are more than kMaxStates states, or
  // when they take too long to find (work_budget.h).
  explicit TextAutomaton(const RegexNode& expression);
  static TextAutomaton of_regex(std::string_view expression, RegexUse use);
  // The texts of least to most characters; most < 0: without end.
  static TextAutomaton of_lengths(int64_t least, int64_t most);
  static TextAutomaton of_texts(const std::vector<std::string>& texts);
  static TextAutomaton any() { return of_lengths(0, -1); }

  TextAutomaton intersect(const TextAutomaton& other) const { return combine(other, false); }
  // The texts that `other` has not.
  TextAutomaton minus(const TextAutomaton& other) const { return combine(other, true); }
  bool empty() const { return states_.empty(); }
  bool has(std::string_view utf8) const;

  // Names a rule for the texts. In a JSON string: as Json::dump() spells it with the closing quote,
  // but where any text may follow, that is the rule `rest`; one character of any is `any_char` ("":
  // both as spelled).
  struct Spelling {
    bool in_json = false;
    std::string rest, any_char;
  };
  std::string rule(const Spelling& spelling, EbnfWriter& writer) const;

  static constexpr size_t kMaxStates = 4096;

 private:
  struct State {
    bool accepts = false;
    std::vector<std::pair<CodeSet, int>> next;  // disjoint
  };
  TextAutomaton() = default;
  TextAutomaton combine(const TextAutomaton& other, bool negate) const;
  // Drops the states from which no text ends. State 0 is the start.
  void prune();
  bool accepts_all(size_t state) const;

  std::vector<State> states_;
};

}  // namespace ingot
