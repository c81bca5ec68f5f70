// JSON as a line that may reach a terminal.
#pragma once

#include <string>

#include "base/json.h"

namespace ingot {

// The value on one line without raw control characters: DEL and C1's, which JSON lets stand in
// strings as they are, are escaped as well. What is no UTF-8 is U+FFFD.
std::string json_line(const Json& value);

}  // namespace ingot
