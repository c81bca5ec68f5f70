// Rules that people wrote, checked and written out for XGrammar. Internal to text/.
#pragma once

#include <string>
#include <string_view>

#include "text/grammar/ebnf_writer.h"

namespace ingot {

// The element for the texts of the rule `root` of `text` (see ebnf_parser.h), whose rules that it
// needs are written. Errors as parse_ebnf(); Error{kInvalidArgument} too for a rule that has no
// text of finite length or means itself, and for a repetition without end of what may be empty;
// Error{kUnsupported} for rules that are too large when repetitions are written out.
std::string ebnf_rules_element(std::string_view text, EbnfWriter& writer);

}  // namespace ingot
