// Which names a browser may have reached the server by. A page of another site can make its own
// name point to this machine ("DNS rebinding") and is then of the server's origin to the browser;
// only the Host header tells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// "localhost" and what ends in ".localhost", 127.0.0.0/8, ::1; in any case, no name lookup.
bool is_loopback_host(std::string_view host);

// Whether a Host header's value, "name", "name:port" or "[address]:port", names this machine or one
// of `allowed`, whatever the port; "*" among them: any.
bool is_known_host(std::string_view header, const std::vector<std::string>& allowed);

// Whether a browser may send it as Origin: scheme://host[:port], in lower case, and no path; or
// null (pages of files).
bool is_origin(std::string_view text);

}  // namespace ingot
