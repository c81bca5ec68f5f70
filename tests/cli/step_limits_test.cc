#include "cli/contract/step_limits.h"

#include <gtest/gtest.h>

#include <tuple>

namespace ingot {
namespace {

TEST(StepLimits, RowsByDefaultAreTheDevicesAndNoMoreThanTheEngines) {
  EXPECT_EQ(default_rows(false), 8);
  EXPECT_EQ(default_rows(true), 256);
  for (const auto& [built_for, cpu, gpu] :
       {std::tuple<int64_t, int64_t, int64_t>{2, 2, 2}, {8, 8, 8}, {64, 8, 64}, {512, 8, 256}}) {
    const SymbolValues limits = {{"batch", built_for}, {"tokens", 1024}};
    EXPECT_EQ(default_rows(limits, false), cpu) << built_for;
    EXPECT_EQ(default_rows(limits, true), gpu) << built_for;
  }
  EXPECT_EQ(default_rows({{"tokens", 1024}}, true), 256);
}

TEST(StepLimits, AStepHasATokenForEachSequence) {
  SymbolValues limits;
  set_step_limits(limits, 16, 0);
  EXPECT_EQ(limits, (SymbolValues{{"batch", 16}, {"logit_rows", 16}}));
  set_step_limits(limits, 16, 8);
  EXPECT_EQ(limits.at("tokens"), 16);
  set_step_limits(limits, 16, 64);
  EXPECT_EQ(limits.at("tokens"), 64);
}

}  // namespace
}  // namespace ingot
