// What commands read and print.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace ingot {

// "1,2,3" as ids; UsageError says which part is not a number.
std::vector<int32_t> parse_ids(const std::string& text);
// Tokens per second; 0 when nothing was timed.
double per_second(int64_t tokens, double milliseconds);
// Prints one JSON line on standard output and flushes.
void print_json(const Json& line);
// All of standard input, without its last line break.
std::string read_standard_input();

}  // namespace ingot
