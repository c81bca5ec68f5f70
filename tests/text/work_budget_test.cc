#include "text/grammar/work_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace ingot {
namespace {

std::string spend(uint64_t steps) {
  try {
    spend_work(steps);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    return error.what();
  }
  return "";
}

TEST(WorkBudget, EndsAtItsSteps) {
  EXPECT_EQ(spend(~uint64_t{0}), "");  // nobody counts
  WorkBudget budget(10);
  EXPECT_EQ(spend(4), "");
  EXPECT_EQ(budget.spent(), 4U);
  EXPECT_EQ(spend(6), "");
  EXPECT_THAT(spend(1), testing::HasSubstr("more than 10 steps"));
  EXPECT_THAT(spend(~uint64_t{0}), testing::HasSubstr("more than 10 steps"));
  std::thread([] { EXPECT_EQ(spend(100), ""); }).join();  // a budget is its thread's
}

TEST(WorkBudget, StepsCountForOuterOnes) {
  WorkBudget outer(10);
  {
    WorkBudget inner(5);
    EXPECT_EQ(spend(5), "");
    EXPECT_THAT(spend(1), testing::HasSubstr("more than 5 steps"));
  }
  EXPECT_EQ(outer.spent(), 5U);
  {
    WorkBudget inner(100);
    EXPECT_EQ(spend(5), "");
    EXPECT_THAT(spend(1), testing::HasSubstr("more than 10 steps"));
  }
}

TEST(WorkBudget, EndsAtItsDeadline) {
  const auto now = std::chrono::steady_clock::now();
  {
    WorkBudget late(1000000, now + std::chrono::hours(1));
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(spend(100), "");
  }
  WorkBudget over(1000000, now - std::chrono::seconds(1));
  EXPECT_THAT(spend(1), testing::HasSubstr("its time is over"));
  EXPECT_THAT(spend(1), testing::HasSubstr("its time is over"));
}

// A thread that others keep from its core has not worked.
TEST(WorkBudget, TimeOffTheCoreDoesNotCount) {
  const auto most = std::chrono::milliseconds(200);
  WorkBudget budget(~uint64_t{0}, WorkBudget::Time::max(), most);
  std::this_thread::sleep_for(2 * most);
  EXPECT_EQ(spend(1 << 20), "");
  std::string said;
  while (said.empty()) said = spend(1 << 20);
  EXPECT_THAT(said, testing::HasSubstr("its time is over"));
}

}  // namespace
}  // namespace ingot
