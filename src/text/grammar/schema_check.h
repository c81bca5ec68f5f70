// JSON Schemas read into what a grammar can enforce. Whatever it cannot enforce exactly is refused
// here, before anything is generated, with the keyword and a JSON pointer. Internal to text/.
//
// The drafts 4 to 2020-12 are understood. Every schema of the result says all that holds at one
// place of a value: references, `allOf` and keywords side by side are taken together. Unknown
// keywords and annotations count for nothing, as the specification says; `format` is enforced.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/grammar/number_grammar.h"
#include "text/grammar/text_automaton.h"

namespace ingot {

struct SchemaLimits {
  size_t max_bytes = size_t{256} << 10;
  size_t max_nodes = 4000;  // schemas after references and alternatives are worked out
  uint64_t max_exclusive_steps = 10'000'000;  // to tell the alternatives of one `oneOf` apart
};

enum JsonTypes : uint8_t {
  kJsonNull = 1,
  kJsonBoolean = 2,
  kJsonInteger = 4,
  kJsonFraction = 8,  // numbers that are not whole
  kJsonString = 16,
  kJsonArray = 32,
  kJsonObject = 64,
  kJsonNumber = kJsonInteger | kJsonFraction,
  kJsonAny = 127,
};

// One place of a value. References between schemas are indices into CheckedSchema::nodes.
struct SchemaNode {
  struct Member {
    std::string name;
    int node = 0;
    bool required = false;
  };
  // The members that the schema does not name, apart by what they are called.
  struct Others {
    std::shared_ptr<const TextAutomaton> names;  // null: anything
    int node = 0;
  };
  std::string pointer;                      // "#/properties/a": where it is written
  std::vector<int> choices;                 // not empty: any one of these, and nothing else counts
  bool exclusive = false;                   // of choices: no value is of two of them (`oneOf`)
  uint8_t types = kJsonAny;                 // JsonTypes
  std::optional<std::vector<Json>> values;  // only these, all of them good
  NumberLimits number;
  std::shared_ptr<const TextAutomaton> text;  // strings; null: any
  std::vector<int> items;                     // of the first places of arrays
  int more_items = 0;                         // of the places after them
  int64_t min_items = 0, max_items = -1;
  std::vector<Member> members;  // in the order in which an object states them
  std::vector<Others> others{Others()};
  int64_t min_members = 0, max_members = -1;
  bool possible = true;  // some value of finite length is of this schema
};

struct CheckedSchema {
  std::vector<SchemaNode> nodes;
  int root = 0;
};

// Error{kInvalidArgument}: no JSON or no schema; Error{kUnsupported}: a schema that cannot be
// enforced: "#/properties/a/not: 'not' cannot be enforced".
CheckedSchema check_schema(std::string_view schema, const SchemaLimits& limits = {});

// The expression for a value of JSON Schema's `format`, empty when it is not known.
std::string_view format_expression(std::string_view format);

}  // namespace ingot
