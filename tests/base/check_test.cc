#include "base/check.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace ingot {
namespace {

TEST(CheckDeathTest, PrintsBothValuesAndAborts) {
  const int left = 3;
  EXPECT_DEATH(CHECK_EQ(left, 4), "check_test.cc:[0-9]+: CHECK\\(left == 4\\): 3 vs 4");
  EXPECT_DEATH(CHECK(left > 5), "CHECK\\(left > 5\\) is false");
  EXPECT_DEATH(CHECK_MSG(false, "row {}", 7), "row 7");
}

TEST(Check, ThrowsInternalWhenAskedTo) {
  const ChecksThrow scope;
  try {
    CHECK_LT(2, 1);
    ADD_FAILURE() << "CHECK_LT returned";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInternal);
    EXPECT_NE(std::string(e.what()).find("2 vs 1"), std::string::npos);
  }
}

TEST(Check, ThrowsOnlyWithinTheScopeAndOnItsThread) {
  EXPECT_FALSE(ChecksThrow::here());
  {
    const ChecksThrow outer;
    EXPECT_TRUE(ChecksThrow::here());
    {
      const ChecksThrow inner(false);
      EXPECT_FALSE(ChecksThrow::here());
    }
    EXPECT_TRUE(ChecksThrow::here());
    bool elsewhere = true;
    std::thread([&] { elsewhere = ChecksThrow::here(); }).join();
    EXPECT_FALSE(elsewhere);
  }
  EXPECT_FALSE(ChecksThrow::here());
}

TEST(Check, EvaluatesEachSideOnce) {
  int calls = 0;
  CHECK_EQ(++calls, 1);
  CHECK_NE(++calls, 1);
  CHECK_GE(++calls, 3);
  CHECK_GT(++calls, 3);
  CHECK_LE(++calls, 5);
  EXPECT_EQ(calls, 5);
}

}  // namespace
}  // namespace ingot
