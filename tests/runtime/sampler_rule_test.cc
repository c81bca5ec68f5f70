#include "runtime/sampler_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

// The error of a request whose number is `value`, "" if it is taken.
std::string fault(const SamplerParam& param, double value) {
  SamplingParams params;
  param.set(params, value);
  EXPECT_TRUE(param.get(params) == value || std::isnan(value)) << param.name;
  try {
    validate(params, 100);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(SamplerParam, OfEveryRuleIsCheckedAgainstItsOneRange) {
  std::set<std::string_view> names;
  for (const SamplerParam& param : sampler_params()) {
    EXPECT_TRUE(names.insert(param.name).second) << param.name << " twice";
    EXPECT_FALSE(param.help.empty()) << param.name;
    EXPECT_FALSE(param.number && param.integer) << param.name;
    EXPECT_TRUE(param.integer == nullptr || param.whole) << param.name;
    EXPECT_TRUE(param.holds(param.neutral)) << param.name;
    EXPECT_EQ(fault(param, param.neutral), "");
    EXPECT_EQ(fault(param, param.max), "");
    const std::string expected =
        fmt::format("{}: expected {}, found ", param.name, param.range_text());
    if (param.above_min) {
      EXPECT_THAT(fault(param, param.min), testing::HasSubstr(expected));
    } else {
      EXPECT_EQ(fault(param, param.min), "");
    }
    EXPECT_THAT(fault(param, param.min - 1), testing::HasSubstr(expected));
    if (param.whole) continue;
    EXPECT_THAT(fault(param, param.max + 1), testing::HasSubstr(expected));
    EXPECT_THAT(fault(param, NAN), testing::HasSubstr(expected));
  }
  EXPECT_GE(names.size(), 7u);
}

TEST(SamplerParam, DefaultsOfRequestsAreNeutralButGreedy) {
  for (const SamplerParam& param : sampler_params()) {
    EXPECT_EQ(param.get({}), param.name == "temperature" ? 0 : param.neutral) << param.name;
  }
}

TEST(SamplerParam, TextsOfRanges) {
  EXPECT_EQ(sampler_param("temperature").range_text(), "0 to 100");
  EXPECT_EQ(sampler_param("top_p").range_text(), "more than 0 and at most 1");
  EXPECT_EQ(sampler_param("top_k").range_text(), "0 to 2147483647");
  EXPECT_EQ(sampler_param("repetition_penalty").range_text(), "0.001 to 1000");
}

TEST(SamplerParam, WithoutAMemberStandsUnderItsName) {
  const SamplerParam param = {.name = "own", .neutral = 3, .max = 5};
  SamplingParams params;
  EXPECT_EQ(param.get(params), 3);
  param.set(params, 4);
  EXPECT_EQ(param.get(params), 4);
  EXPECT_EQ(params.others.at("own"), 4);
}

}  // namespace
}  // namespace ingot
