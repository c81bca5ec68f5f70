#include "base/json_line.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(JsonLine, IsFitForATerminal) {
  const Json value = {{"a\x7f", "\xc2\x80\xc2\x9b[31m\xc2\x9f\xc2\xa0\x1b é \xff\x9b"}, {"n", 1}};
  const std::string line = json_line(value);
  EXPECT_EQ(line,
            "{\"a\\u007f\":\"\\u0080\\u009b[31m\\u009f\xc2\xa0\\u001b é \xef\xbf\xbd\xef\xbf\xbd\","
            "\"n\":1}");
  EXPECT_EQ(Json::parse(line)["a\x7f"].get<std::string>().substr(0, 4), "\xc2\x80\xc2\x9b");
}

}  // namespace
}  // namespace ingot
