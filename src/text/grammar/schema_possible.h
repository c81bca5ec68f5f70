// What a checked schema's nodes allow, and which of them allow anything. Internal to text/.
#pragma once

#include <string>

#include "text/grammar/schema_check.h"

namespace ingot {

// A text that equal values alone have: numbers count by their value, members in any order.
std::string json_key(const Json& value);

// Whether the node, which has no choices, allows the value by type, number and text. Lists and
// objects are looked at by their type alone.
bool value_allowed(const SchemaNode& node, const Json& value);

// Works out SchemaNode::possible, takes impossible types, members and places away, and refuses
// schemas that mean themselves, alternatives of `oneOf` that are not exclusive, and a root without
// values. Node 0 allows anything, node 1 nothing. `exclusive_steps`: of SchemaLimits.
void settle_schema(CheckedSchema& schema, uint64_t exclusive_steps);

}  // namespace ingot
