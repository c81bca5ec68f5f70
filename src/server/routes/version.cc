#include "server/call.h"

namespace ingot {
namespace route_version {

Task<> handle(Call& call) {
  const Json body = {{"version", INGOT_VERSION}};
  co_await call.reply(200, body);
}

}  // namespace route_version

const RouteDef& version_route() {
  using namespace route_version;
  static const RouteDef def = {.name = "version",
                               .method = Method::kGet,
                               .path = "/version",
                               .access = Access::with_key(),
                               .help = "the program's version",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
