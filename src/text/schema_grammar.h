// Checked JSON Schemas as grammars. Internal to text/.
//
// Values are written as JSON with at most a space, or a line end and up to 40 spaces, where JSON
// lets white space stand behind brackets, commas and colons. Objects state the members that their
// schema names in its order, then others; a member is stated once.
#pragma once

#include <string>

#include "text/ebnf_writer.h"
#include "text/schema_check.h"

namespace ingot {

// The name of the rule for values of the schema.
std::string schema_rule(const CheckedSchema& schema, EbnfWriter& writer);

}  // namespace ingot
