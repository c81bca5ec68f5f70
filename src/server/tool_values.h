// Values of a call's arguments that a model writes as text: whether one is a text or JSON, its
// tool's schema tells.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace ingot {

enum class ValueKind : uint8_t {
  kText,    // strings alone
  kJson,    // anything but strings
  kEither,  // JSON where it is JSON, else a text
};

// Of the argument `name`; `parameters`: the tool's schema, or null. An argument that the schema
// does not tell of is a text.
ValueKind value_kind(const Json* parameters, std::string_view name);

// The kinds of all arguments: of those that the schema names, each once, in its order, and of all
// others.
struct ValueKinds {
  std::vector<std::pair<std::string, ValueKind>> names;
  ValueKind others = ValueKind::kText;
};
ValueKinds value_kinds(const Json* parameters);

// `text` as JSON. Python's True, False, None, lists and dictionaries are taken for JSON's; what
// should be JSON and is none is a string.
std::string value_json(ValueKind kind, std::string_view text);

// The texts that are no string where either may stand, as an expression (ECMAScript).
constexpr std::string_view kReadAsJson =
    R"([ \n\t\r]*(["\[{][\s\S]*|(-?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?|true|false|null|True|)"
    R"(False|None)[ \n\t\r]*))";

// The bytes of `text` as they stand in a JSON string, without quotes; the same in pieces.
std::string json_escaped(std::string_view text);

}  // namespace ingot
