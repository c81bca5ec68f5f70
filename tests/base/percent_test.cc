#include "base/percent.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Percent, DecodesOrSaysNo) {
  EXPECT_EQ(percent_decoded(""), "");
  EXPECT_EQ(percent_decoded("a+b/c"), "a+b/c");
  EXPECT_EQ(percent_decoded("%41%2f%C3%a9%25"), "A/\u00e9%");
  EXPECT_EQ(percent_decoded(std::string_view("%00", 3)), std::string(1, '\0'));
  for (const char* bad : {"%", "a%4", "%4g", "%g4", "%%41", "% 1", "%-1"}) {
    EXPECT_EQ(percent_decoded(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ingot
