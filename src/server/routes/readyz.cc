#include "server/readiness.h"

namespace ingot {

const RouteDef& readyz_route() {
  static const RouteDef def = {.name = "readyz",
                               .method = Method::kGet,
                               .path = "/readyz",
                               .access = Access::anybody(),
                               .help = "whether requests are taken",
                               .handle = answer_readiness,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
