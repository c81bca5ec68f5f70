// Checked JSON Schemas as grammars. Internal to text/.
//
// Values are written as JSON with at most a space, or a line end and up to 40 spaces, where JSON
// lets white space stand behind brackets, commas and colons. Objects state the members that their
// schema names in its order, then others; a member is stated once.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "text/grammar/ebnf_writer.h"
#include "text/grammar/schema_check.h"

namespace ingot {

// The name of the rule for values of the schema.
std::string schema_rule(const CheckedSchema& schema, EbnfWriter& writer);

// Objects whose members are not written as JSON: arguments of a call. Inside values all is JSON.
struct MemberSpelling {
  // A string as it is; a string as it is or any value as JSON, told apart by `no_either`.
  enum class Value : uint8_t { kJson, kText, kEither };
  std::string begin, middle, end;    // before a name, between name and value, behind the value
  std::string separator;             // between two members
  TextAutomaton names;               // that can be written
  TextAutomaton no_text, no_either;  // strings that kText and kEither, and kEither alone, cannot be
  std::map<std::string, Value> values;  // by name
  Value others = Value::kJson;          // of all other names

  Value value_of(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? others : found->second;
  }
};

// The name of the rule for the schema's objects, spelled so, without what stands around an object.
// Error{kUnsupported}: none can be.
std::string members_rule(const CheckedSchema& schema, const MemberSpelling& spelling,
                         EbnfWriter& writer);

}  // namespace ingot
