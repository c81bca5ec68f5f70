// What pages of allowed origins are told of the headers that they may send.
#pragma once

#include <string>
#include <string_view>

namespace ingot {

// The value of Access-Control-Allow-Headers for a preflight that asks `asked`, the value of its
// Access-Control-Request-Headers: those names, where it is a list of tokens (RFC 9110); else, and
// where it asks nothing, the headers that the API itself reads.
std::string allowed_headers(std::string_view asked);

}  // namespace ingot
