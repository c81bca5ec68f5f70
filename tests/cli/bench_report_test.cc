// What bench says of a GPU's time, by hand.
#include <gtest/gtest.h>

#include "cli/contract/bench_session.h"

namespace ingot {
namespace bench_report_test {

TEST(BenchReport, ShareAndWaitsOfSteps) {
  const std::vector<StepTime> steps = {
      {.span_us = 1000, .waited_us = 200, .first = true},
      {.span_us = 500, .waited_us = 0},
      {.span_us = 500, .waited_us = 100},
  };
  const Json alone = step_times_json(steps);
  EXPECT_EQ(alone["steps"], 3);
  EXPECT_DOUBLE_EQ(alone["busy_ms"].get<double>(), 1.7);
  EXPECT_DOUBLE_EQ(alone["busy_share"].get<double>(), 1700.0 / 2000);
  EXPECT_DOUBLE_EQ(alone["host_wait_us"]["mean"].get<double>(), 50) << "of steps behind others";
  EXPECT_DOUBLE_EQ(alone["host_wait_us"]["p50"].get<double>(), 0);
  EXPECT_DOUBLE_EQ(alone["host_wait_us"]["p99"].get<double>(), 100);
  const Json longer = step_times_json(steps, 3.4);
  EXPECT_DOUBLE_EQ(longer["busy_share"].get<double>(), 0.5) << "of all that passed";
  EXPECT_DOUBLE_EQ(step_times_json(steps, 1.0)["busy_share"].get<double>(), 1700.0 / 2000)
      << "a share is never above 1";
  EXPECT_TRUE(step_times_json({}).is_null());
}

TEST(BenchReport, SteadyStepsAreAPart) {
  RunTimes times;
  for (int i = 0; i < 5; ++i) times.steps.push_back({.span_us = double(i)});
  times.steady_begin = 1;
  times.steady_end = 4;
  ASSERT_EQ(times.steady_steps().size(), 3u);
  EXPECT_EQ(times.steady_steps()[0].span_us, 1);
  times.steady_end = 9;
  EXPECT_EQ(times.steady_steps().size(), 4u);
  times.steps.clear();
  EXPECT_TRUE(times.steady_steps().empty()) << "a host measures none";
}

}  // namespace bench_report_test
}  // namespace ingot
