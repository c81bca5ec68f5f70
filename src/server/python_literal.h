// Python's literals as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ingot {

// The JSON of the literal that is all of `text`, white space around it left aside: strings,
// numbers, True, False, None (and JSON's words), lists, tuples and dictionaries of them, whose keys
// are strings. Nothing where it is none, or is nested deeper than 64.
std::optional<std::string> python_literal_json(std::string_view text);

}  // namespace ingot
