// The head of an HTTP/1.1 request, read strictly: what two readers could understand in two ways is
// an error (RFC 9112; request smuggling lives from the rest).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot {

struct RequestHead {
  std::string method;
  std::string path;       // of the target, without the query; of an absolute target its path
  std::string query;      // without '?'
  int minor_version = 1;  // of HTTP/1.x
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  bool chunked = false;
  int64_t content_length = -1;  // -1: not given

  // Of the first header of that name; empty: none.
  std::string_view header(std::string_view lower_case_name) const;
  bool keep_alive() const;
};

// A token of RFC 9110, as names of headers are.
bool is_token(std::string_view text);
// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

// `text` up to and with the empty line. ApiError: 400 for a malformed or ambiguous head, 431 for
// more than `max_headers`, 501 for a transfer coding other than chunked, 505 for another version.
RequestHead parse_request_head(std::string_view text, int64_t max_headers);

}  // namespace ingot
