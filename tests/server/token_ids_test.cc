#include "server/token_ids.h"

#include <gtest/gtest.h>

#include "server/api_error.h"
#include "server/schema.h"

namespace ingot {
namespace token_ids_test {

TEST(TokenIds, reads_ids_below_the_vocabulary) {
  EXPECT_EQ(read_token_ids(Json::parse("[0, 9, 3]"), "p", 10), (std::vector<int32_t>{0, 9, 3}));
  EXPECT_TRUE(read_token_ids(Json::array(), "p", 10).empty());
  for (const char* wrong : {"10", "-1", "1.0", "\"1\"", "null", "true", "[1]", "4294967296",
                            "18446744073709551615", "-9223372036854775808"}) {
    const std::string list = "[1, " + std::string(wrong) + "]";
    try {
      read_token_ids(Json::parse(list), "tokens", 10);
      ADD_FAILURE() << wrong << " was taken";
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      EXPECT_EQ(error.param, "tokens[1]");
      EXPECT_EQ(error.message, "'tokens[1]': expected a token id, 0 to 9");
    }
  }
}

TEST(TokenIds, given_tells_values_from_null_and_nothing) {
  const Json body = {{"a", 0}, {"b", nullptr}, {"c", false}};
  ASSERT_NE(given(body, "a"), nullptr);
  EXPECT_EQ(*given(body, "c"), false);
  EXPECT_EQ(given(body, "b"), nullptr);
  EXPECT_EQ(given(body, "d"), nullptr);
}

}  // namespace token_ids_test
}  // namespace ingot
