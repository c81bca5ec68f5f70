// The log as JSON objects, a line each: INGOT_LOG_FORMAT=json.
#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string_view>

namespace ingot {

// A logger whose lines are {"time", "level", "message"}; from here on log_is_json().
std::shared_ptr<spdlog::logger> start_json_log();
bool log_is_json();
// A line with the fields of `object`, JSON text, behind time and level, whatever INGOT_LOG says.
// Only where log_is_json().
void log_fields(spdlog::level::level_enum level, std::string_view object);

}  // namespace ingot
