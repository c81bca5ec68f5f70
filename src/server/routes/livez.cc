#include "server/call.h"

namespace ingot {
namespace route_livez {

Task<> handle(Call& call) {
  const Json body = {{"status", "ok"}};
  co_await call.reply(200, body);
}

}  // namespace route_livez

const RouteDef& livez_route() {
  using namespace route_livez;
  static const RouteDef def = {.name = "livez",
                               .method = Method::kGet,
                               .path = "/livez",
                               .access = Access::anybody(),
                               .help = "whether the process answers",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
