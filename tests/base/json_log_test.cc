#include "base/json_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"

namespace ingot {
namespace {

TEST(JsonLog, LinesAsJson) {
  const auto before = spdlog::default_logger();
  set_knob("log", "info");
  set_knob("log_format", "json");
  EXPECT_FALSE(log_is_json());
  init_log();
  EXPECT_TRUE(log_is_json());
  testing::internal::CaptureStderr();
  spdlog::warn("a \"quoted\"\nline {}", "with {braces} \xff, \xc2\x9b and é");
  spdlog::debug("not at this level");
  log_fields(spdlog::level::info, R"({"event":"a {} b","n":1})");
  const std::string text = testing::internal::GetCapturedStderr();
  ::unsetenv("INGOT_LOG");
  ::unsetenv("INGOT_LOG_FORMAT");
  spdlog::set_default_logger(before);

  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_EQ(text.find("\xc2\x9b"), text.npos) << "a terminal takes it for an escape";
  const size_t end = text.find('\n');
  const Json first = Json::parse(text.substr(0, end)), second = Json::parse(text.substr(end + 1));
  EXPECT_EQ(first["level"], "warning");
  EXPECT_EQ(first["message"], "a \"quoted\"\nline with {braces} \xef\xbf\xbd, \xc2\x9b and é");
  EXPECT_EQ(first.size(), 3U);
  EXPECT_EQ(second["level"], "info");
  EXPECT_EQ(second["event"], "a {} b");
  EXPECT_EQ(second["n"], 1);
  const std::string time = second["time"];
  ASSERT_EQ(time.size(), 24U) << time;  // 2026-11-29T23:00:00.000Z
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], '.');
  EXPECT_EQ(time[23], 'Z');
}

}  // namespace
}  // namespace ingot
