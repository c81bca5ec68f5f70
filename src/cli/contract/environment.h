// Variables INGOT_* that nothing reads: a mistyped one would change nothing without a word.
#pragma once

#include <string>
#include <vector>

namespace ingot {

// What one line of warning says of the variables of `environment` ("NAME=value", null at the end)
// that are no knob's, not in `flags` (the flags' twins) and not read by the hub; empty when there
// are none. Those of tests, tools and the scripts of the root are DEV_INGOT_*.
std::string unknown_variables(const char* const* environment, std::vector<std::string> flags);

}  // namespace ingot
