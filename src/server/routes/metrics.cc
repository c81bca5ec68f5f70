#include "server/metrics.h"

#include "server/call.h"
#include "server/server_state.h"

namespace ingot {
namespace route_metrics {

Task<> handle(Call& call) {
  ServerState& server = call.server();
  const ServedModel* model = server.loaded_model();
  const LoopStats stats = model != nullptr ? model->stats() : LoopStats();
  const auto compiling = static_cast<int64_t>(server.compile_queue().order().size());
  const std::string text = server.metrics().text(model != nullptr ? &stats : nullptr,
                                                 model != nullptr ? model->name : "",
                                                 {.connections = server.connections.load(),
                                                  .calls = server.calls.load(),
                                                  .compiling = compiling});
  co_await call.reply_text(200, "text/plain; version=0.0.4; charset=utf-8", text);
}

}  // namespace route_metrics

const RouteDef& metrics_route() {
  using namespace route_metrics;
  static const RouteDef def = {.name = "metrics",
                               .method = Method::kGet,
                               .path = "/metrics",
                               .access = Access::with_key(),
                               .help = "counts and times for Prometheus",
                               .handle = handle,
                               .while_loading = true,
                               .content = "text/plain"};
  return def;
}

}  // namespace ingot
