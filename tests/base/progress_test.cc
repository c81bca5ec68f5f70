#include "base/progress.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace ingot {
namespace {

class ProgressTest : public testing::Test {
 protected:
  void TearDown() override { set_progress_style(ProgressStyle::kNone); }
  static std::string output_of(ProgressStyle style, int updates, int64_t total = 1000) {
    set_progress_style(style);
    testing::internal::CaptureStderr();
    {
      Progress progress("model.gguf", total, "bytes");
      for (int i = 0; i < updates; ++i) progress.add(1);
    }
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(ProgressTest, NoneIsSilent) { EXPECT_EQ(output_of(ProgressStyle::kNone, 10), ""); }

// The test's standard error is not a terminal here, so a bar would be noise in a log.
TEST_F(ProgressTest, BarDrawsOnlyOnATerminal) { EXPECT_EQ(output_of(ProgressStyle::kBar, 10), ""); }

TEST_F(ProgressTest, JsonLinesEndWithTheLastState) {
  const std::string output = output_of(ProgressStyle::kJson, 1000);
  std::vector<Json> lines;
  for (size_t begin = 0; begin < output.size();) {
    const size_t end = output.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    lines.push_back(parse_json(output.substr(begin, end - begin), "test", "stderr"));
    begin = end + 1;
  }
  ASSERT_GE(lines.size(), 2u);
  EXPECT_LE(lines.size(), 20u);  // drawn at most ten times a second
  EXPECT_EQ(lines.back()["done"], 1000);
  EXPECT_EQ(lines.back()["total"], 1000);
  EXPECT_EQ(lines.back()["unit"], "bytes");
  EXPECT_EQ(lines.back()["progress"], "model.gguf");
}

TEST_F(ProgressTest, AnUnknownTotalIsNoDivisionByZero) {
  EXPECT_NE(output_of(ProgressStyle::kJson, 1, 0), "");
}

// Whether it is drawn or not.
TEST_F(ProgressTest, TheNewestWorkIsKnownToAnyThread) {
  Progress first("first", 8, "bytes");
  first.update(2);
  ASSERT_TRUE(newest_progress().has_value());
  EXPECT_EQ(newest_progress()->what, "first");
  EXPECT_EQ(newest_progress()->share(), 0.25);
  {
    Progress second("second", 0, "tensors");
    EXPECT_EQ(newest_progress()->what, "second");
    second.add(3);
  }
  EXPECT_EQ(newest_progress()->done, 3);
  EXPECT_EQ(newest_progress()->unit, "tensors");
  EXPECT_EQ(newest_progress()->share(), 0) << "an unknown total";
  first.update(9);
  EXPECT_EQ(newest_progress()->what, "first");
  EXPECT_EQ(newest_progress()->share(), 1) << "more than was expected";
}

// All of it is at once, far from half a second after the start.
TEST_F(ProgressTest, ShortWorkIsNotDrawnWhereItNeedNotBe) {
  set_progress_style(ProgressStyle::kJson);
  testing::internal::CaptureStderr();
  const int64_t begin = SteadyClock().now_ns();
  { Progress("reading", 2, "bytes", ProgressShow::kIfSlow).update(2); }
  const bool quick = SteadyClock().now_ns() - begin < 400'000'000;
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(said.empty() || !quick) << said;
}

}  // namespace
}  // namespace ingot
