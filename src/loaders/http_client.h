// The program's one HTTP client: blocking downloads over libcurl for `pull`. The server never uses
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"

namespace ingot {

struct HttpRequest {
  std::string url;    // http or https
  std::string token;  // sent as a bearer token to the origin of `url` only, never after a redirect
                      // to another
  std::vector<std::string> headers;  // "Name: value"
  bool head = false;
  bool follow_redirects = true;
  uint64_t range_from = 0;  // > 0: ask for the bytes from here on
};

struct HttpResponse {
  long status = 0;
  std::string url;                                          // after redirects
  std::map<std::string, std::string, std::less<>> headers;  // lower-case names, last value wins
  // Empty if there is none.
  std::string_view header(std::string_view lower_case_name) const;
};

// Receives the body piece by piece, with status and headers known. Not called for HEAD. May throw.
using HttpSink = FunctionRef<void(const HttpResponse&, std::span<const std::byte>)>;

// One exchange, redirects followed (at most ten, http and https only, never from https to http).
// Any HTTP status is an answer; what is thrown is Error{kIo} when there was no complete one: no
// connection in 10 s (INGOT_HTTP_CONNECT_TIMEOUT), no byte for 30 s (HF_HUB_DOWNLOAD_TIMEOUT), cut
// off, bad certificate; kCorrupt for redirects that go round or down to http. The message names the
// address without its query and credentials. Certificates: CURL_CA_BUNDLE, SSL_CERT_FILE or
// REQUESTS_CA_BUNDLE, else the system's. Proxies: as libcurl reads them (https_proxy, no_proxy).
HttpResponse http_request(const HttpRequest& request, HttpSink sink);

// The same with the body in memory: Error{kCorrupt} above `limit` bytes.
struct HttpText {
  HttpResponse response;
  std::string body;
};
HttpText http_get_text(const HttpRequest& request, size_t limit);

// `reference` (absolute or relative) seen from `base`; Error{kCorrupt} if that is no URL.
std::string resolve_url(const std::string& base, const std::string& reference);
// Scheme, host and port agree.
bool same_origin(const std::string& a, const std::string& b);
// For messages and logs: no query, fragment or credentials.
std::string display_url(const std::string& url);
// Percent-encodes everything but unreserved characters and '/'.
std::string escape_url_path(std::string_view path);

}  // namespace ingot
