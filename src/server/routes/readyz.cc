#include "server/call.h"
#include "server/server_state.h"

namespace ingot {
namespace route_readyz {

// 503 until the model is loaded, and when the server drains.
Task<> handle(Call& call) {
  if (call.server().ready()) {
    const Json body = {{"status", "ok"}};
    co_await call.reply(200, body);
  } else {
    call.model();  // throws what is missing
  }
}

}  // namespace route_readyz

const RouteDef& readyz_route() {
  using namespace route_readyz;
  static const RouteDef def = {.name = "readyz",
                               .method = Method::kGet,
                               .path = "/readyz",
                               .access = Access::anybody(),
                               .help = "whether requests are taken",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
