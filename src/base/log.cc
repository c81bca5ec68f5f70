#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/json_log.h"
#include "base/knobs.h"
#include "base/printable.h"

namespace ingot {
namespace {

// %* in a pattern: the message on one line. Messages quote names from files.
class PrintableFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableFlag>();
  }
};

}  // namespace

void init_log() {
  if (knob_text("log_format") == "json") {
    spdlog::set_default_logger(start_json_log());
  } else {
    auto logger = spdlog::stderr_color_mt("ingot");
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<PrintableFlag>('*').set_pattern("%^%l%$ %*");
    logger->set_formatter(std::move(formatter));
    spdlog::set_default_logger(logger);
  }
  spdlog::set_level(spdlog::level::from_str(knob_text("log")));
}

}  // namespace ingot
