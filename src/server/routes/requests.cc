#include <algorithm>

#include "server/call.h"
#include "server/server_state.h"

namespace ingot {
namespace route_requests {

constexpr size_t kMostListed = 1000;

// `compiling`: ids in the order in which their forms will be done.
Json requests_json(const LiveRequests& live, const std::vector<std::string>& compiling,
                   Json& count) {
  size_t found = 0;
  Json out = Json::array();
  for (const LiveRequests::Seen& one : live.oldest(kMostListed, found)) {
    const char* state = one.compiling ? "compiling" : one.output_tokens > 0 ? "running" : "waiting";
    out.push_back({{"id", one.id},
                   {"endpoint", one.endpoint},
                   {"state", state},
                   {"age_ms", std::chrono::duration<double, std::milli>(one.age).count()},
                   {"choices", one.choices},
                   {"prompt_tokens", one.prompt_tokens},
                   {"output_tokens", one.output_tokens}});
    const auto place = std::ranges::find(compiling, one.id);
    if (one.compiling && place != compiling.end()) {
      out.back()["compile_position"] = place - compiling.begin();
    }
  }
  count = found;
  return out;
}

void append_loop(const ServedModel& model, Json& out) {
  const LoopStats stats = model.stats();
  out["model"] = model.name;
  out["queue"] = {{"requests", stats.queued_requests}, {"tokens", stats.queued_tokens}};
  out["sequences"] = {
      {"running", stats.running}, {"waiting", stats.waiting}, {"paused", stats.paused}};
  Json pages = Json::array();
  for (const LoopStats::Pages& group : stats.pages) {
    pages.push_back({{"group", group.group},
                     {"total", group.total},
                     {"used", group.used},
                     {"cached", group.cached},
                     {"free", group.free}});
  }
  out["kv_pages"] = pages;
}

// Ids and numbers: no text of a request, nothing of whose it is.
Task<> handle(Call& call) {
  ServerState& server = call.server();
  const ServedModel* model = server.loaded_model();
  const char* status = server.draining() ? "draining" : model == nullptr ? "loading" : "ready";
  Json count;
  const std::vector<std::string> compiling = server.compile_queue().order();
  const Json requests = requests_json(server.live, compiling, count);
  Json out = {{"status", status}, {"count", count}, {"requests", requests}};
  if (model != nullptr) {
    append_loop(*model, out);
    out["compile_queue"] = {{"requests", compiling.size()}};
  }
  co_await call.reply(200, out);
}

}  // namespace route_requests

const RouteDef& requests_route() {
  using namespace route_requests;
  static const RouteDef def = {.name = "requests",
                               .method = Method::kGet,
                               .path = "/requests",
                               .access = Access::with_key(),
                               .help = "live requests, queue, KV pages",
                               .handle = handle,
                               .while_loading = true};
  return def;
}

}  // namespace ingot
