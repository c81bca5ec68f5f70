#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/json_log.h"
#include "base/knobs.h"

namespace ingot {

void init_log() {
  if (knob_text("log_format") == "json") {
    spdlog::set_default_logger(start_json_log());
  } else {
    auto logger = spdlog::stderr_color_mt("ingot");
    logger->set_pattern("%^%l%$ %v");
    spdlog::set_default_logger(logger);
  }
  spdlog::set_level(spdlog::level::from_str(knob_text("log")));
}

}  // namespace ingot
