#include "server/readiness.h"

namespace ingot {

const RouteDef& health_route() {
  static const RouteDef def = {.name = "health",
                               .method = Method::kGet,
                               .path = "/health",
                               .access = Access::with_key(),
                               .help = "as /readyz, for who has a key",
                               .handle = answer_readiness,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
