// links: server
// The body of a request from anywhere: passes the table of its endpoint's fields, or is refused
// with a 400. Bodies that pass every check but the model's are the parsed ones.
#include "base/check.h"
#include "fuzz/parsed.h"
#include "server/api_error.h"
#include "server/route.h"
#include "server/tools.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ingot::Json body;
  try {
    body = ingot::parse_body(text);
  } catch (const ingot::ApiError& error) {
    CHECK_EQ(error.status, 400);
    return 0;
  }
  for (const ingot::RouteDef* route : ingot::server_route_list()) {
    if (route->body == nullptr) continue;
    try {
      ingot::check_body(body, route->body());
      if (body.contains("messages")) {
        for (const ingot::Json& message : body["messages"]) {
          if (message.contains("tool_calls") && message["tool_calls"].is_array()) {
            ingot::template_tool_calls(message["tool_calls"], "messages");
          }
        }
      }
      ingot::fuzz_parsed();
    } catch (const ingot::ApiError& error) {
      CHECK_EQ(error.status, 400);
    }
  }
  return 0;
}
