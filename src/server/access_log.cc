#include "server/access_log.h"

#include <cmath>

#include "base/json_line.h"
#include "base/json_log.h"
#include "server/call.h"

namespace ingot {

void log_access(const Call& call, double milliseconds) {
  if (!spdlog::should_log(spdlog::level::info)) return;
  const HttpRequest& request = call.request();
  if (!log_is_json()) {
    spdlog::info("{} {} {} {} {:.1f} ms{}", call.id(), request.method, request.path, call.status(),
                 milliseconds, call.gone() ? " client gone" : "");
    return;
  }
  Json line = {{"event", "request"},         {"request_id", call.id()},
               {"method", request.method},   {"path", request.path},
               {"status", call.status()},    {"ms", std::round(milliseconds * 1e3) / 1e3},
               {"stream", call.streaming()}, {"client_gone", call.gone()}};
  if (call.prompt_tokens > 0) {
    line["prompt_tokens"] = call.prompt_tokens;
    line["output_tokens"] = call.output_tokens;
  }
  log_fields(spdlog::level::info, json_line(line));
}

}  // namespace ingot
