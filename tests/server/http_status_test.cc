#include "server/http_status.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ingot {
namespace {

TEST(HttpStatusTest, CodesRiseAndErrorsSayWhy) {
  EXPECT_TRUE(std::ranges::is_sorted(http_statuses(), std::ranges::less{}, &HttpStatus::code));
  for (const HttpStatus& status : http_statuses()) {
    EXPECT_FALSE(status.reason.empty()) << status.code;
    EXPECT_EQ(status.why.empty(), status.code < 400) << status.code;
    EXPECT_EQ(status_text(status.code), status.reason);
  }
}

TEST(HttpStatusTest, AnUnknownCodeHasTheReasonOfItsClass) {
  EXPECT_EQ(status_text(599), "Internal Server Error");
  EXPECT_EQ(status_text(499), "Error");
}

}  // namespace
}  // namespace ingot
