// What a checked schema's nodes allow, and which of them allow anything. Internal to text/.
#pragma once

#include "text/schema_check.h"

namespace ingot {

// Numbers by their value, all else as it is.
bool same_json(const Json& a, const Json& b);

// Whether the node, which has no choices, allows the value by type, number and text. Lists and
// objects are looked at by their type alone.
bool value_allowed(const SchemaNode& node, const Json& value);

// Works out SchemaNode::possible, takes impossible types, members and places away, and refuses
// schemas that mean themselves, alternatives of `oneOf` that are not exclusive, and a root without
// values. Node 0 allows anything, node 1 nothing.
void settle_schema(CheckedSchema& schema);

}  // namespace ingot
