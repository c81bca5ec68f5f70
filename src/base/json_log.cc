#include "base/json_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/json_line.h"

namespace ingot {
namespace {

constexpr const char* kStamp = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",)";

std::shared_ptr<spdlog::logger> fields_logger;

// %* in a pattern: the message as a JSON string.
class MessageFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const Json payload = std::string(message.payload.data(), message.payload.size());
    const std::string text = json_line(payload);
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<MessageFlag>();
  }
};

// Loggers of their own sinks: a sink has one pattern. Each line is one write.
std::shared_ptr<spdlog::logger> json_logger(const char* name, const std::string& rest) {
  auto logger =
      std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<MessageFlag>('*').set_pattern(kStamp + rest);
  logger->set_formatter(std::move(formatter));
  return logger;
}

}  // namespace

std::shared_ptr<spdlog::logger> start_json_log() {
  fields_logger = json_logger("fields", "%v");
  fields_logger->set_level(spdlog::level::trace);
  return json_logger("ingot", R"("message":%*})");
}

bool log_is_json() { return fields_logger != nullptr; }

void log_fields(spdlog::level::level_enum level, std::string_view object) {
  fields_logger->log(level, "{}", object.substr(1));
}

}  // namespace ingot
