#include "server/call.h"
#include "server/server_state.h"

namespace ingot {
namespace route_health {

// 503 until the model is loaded, and when the server drains.
Task<> handle(Call& call) {
  if (call.server().ready()) {
    const Json body = {{"status", "ok"}};
    co_await call.reply(200, body);
  } else {
    call.model();  // throws what is missing
  }
}

}  // namespace route_health

const RouteDef& health_route() {
  using namespace route_health;
  static const RouteDef def = {.name = "health",
                               .method = Method::kGet,
                               .path = "/health",
                               .access = Access::with_key(),
                               .help = "as /readyz, for who has a key",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
