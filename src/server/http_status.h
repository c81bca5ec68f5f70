// The statuses that answers have. Any thread may call these.
#pragma once

#include <span>
#include <string_view>

namespace ingot {

struct HttpStatus {
  int code;
  std::string_view reason;  // of the status line (RFC 9110, 15; RFC 6585 for 429 and 431)
  std::string_view why;     // when an endpoint answers so, for its description; empty: no error
};

// By code. Errors are those of any endpoint.
std::span<const HttpStatus> http_statuses();

// The reason of a code; those that are not in the list have "Internal Server Error" from 500 on,
// "Error" below.
std::string_view status_text(int code);

}  // namespace ingot
