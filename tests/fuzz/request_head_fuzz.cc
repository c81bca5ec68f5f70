// links: server
// The head of an HTTP request from anywhere: is read, or refused; what is taken has one meaning.
#include "base/check.h"
#include "fuzz/parsed.h"
#include "server/api_error.h"
#include "server/request_head.h"
#include "server/route.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const ingot::RequestHead head = ingot::parse_request_head(text, 64);
    CHECK(!(head.chunked && head.content_length >= 0));
    CHECK(head.path.find('?') == head.path.npos);
    CHECK(text.find('\0') == text.npos || text.find("\r\n\r\n") < text.find('\0'));
    const ingot::RouteMatch match = ingot::find_route(head.method, head.path);
    CHECK(match.route != nullptr || match.parameter.empty());
    ingot::fuzz_parsed();
  } catch (const ingot::ApiError& error) {
    CHECK(error.status >= 400 && error.status < 600);
  }
  return 0;
}
