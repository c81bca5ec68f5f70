#include "server/generation_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/sampler_rule.h"
#include "server/api_error.h"

namespace ingot {
namespace {

// The error of a body with that one field, "" if it is taken.
std::string fault(std::string_view field, const Json& value) {
  static const Schema schema = {"Example", generation_fields(1)};
  try {
    check_body(Json{{std::string(field), value}}, schema);
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.param, field);
    return error.message;
  }
  return "";
}

TEST(GenerationFields, TakeWhatTheSamplingRulesTake) {
  for (const SamplerParam& param : sampler_params()) {
    EXPECT_EQ(fault(param.name, param.neutral), "");
    EXPECT_NE(fault(param.name, param.min - 2), "");
    EXPECT_NE(fault(param.name, param.max + 1), "") << param.name;
    if (param.name == "presence_penalty" || param.name == "frequency_penalty") continue;
    EXPECT_EQ(fault(param.name, param.max), "");
    EXPECT_EQ(fault(param.name, param.min) == "", !param.above_min) << param.name;
  }
  EXPECT_EQ(fault("repeat_penalty", 1000), "") << "as repetition_penalty";
  EXPECT_EQ(fault("top_p", 0), "'top_p': expected more than 0 and at most 1, found 0");
  EXPECT_EQ(fault("temperature", -1), "'temperature': expected 0 to 100, found -1");
}

// Rules take -100 to 100, and no negative top_k.
TEST(GenerationFields, HaveTheRangesOfOtherServersApis) {
  for (const char* name : {"presence_penalty", "frequency_penalty"}) {
    EXPECT_EQ(fault(name, -2), "");
    EXPECT_EQ(fault(name, 2), "");
    EXPECT_EQ(fault(name, 2.5), fmt::format("'{}': expected -2 to 2, found 2.5", name));
    EXPECT_EQ(fault(name, -2.5), fmt::format("'{}': expected -2 to 2, found -2.5", name));
  }
  EXPECT_EQ(fault("top_k", -1), "");
  EXPECT_EQ(fault("top_k", -2), "'top_k': expected -1 to 2147483647, found -2");
}

}  // namespace
}  // namespace ingot
