#include "base/embedding_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot {
namespace embedding_rules_test {

EmbeddingRules read_rules(const std::string& text) {
  return embedding_rules_from_json(parse_json(text, "test", "e.json"), "e.json");
}

void expect_refused(const std::string& text, const std::string& part) {
  try {
    read_rules(text);
    ADD_FAILURE() << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr("e.json"));
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST(EmbeddingRules, EveryFieldComesBack) {
  EmbeddingRules all;
  all.pooling = Pooling::kLast;
  all.normalize = false;
  all.max_tokens = 256;
  all.prompt = "query: ";
  all.dimensions = {64, 128};
  all.any_dimensions = true;
  const auto again = [](const EmbeddingRules& rules) {
    return read_rules(embedding_rules_to_json(rules).dump());
  };
  EXPECT_EQ(again(all), all);
  EXPECT_EQ(again({}), EmbeddingRules());
  const auto alone = [&](auto member) {
    EmbeddingRules one;
    one.*member = all.*member;
    EXPECT_EQ(again(one), one) << embedding_rules_to_json(one).dump();
    EXPECT_FALSE(one == EmbeddingRules());
  };
  alone(&EmbeddingRules::pooling);
  alone(&EmbeddingRules::normalize);
  alone(&EmbeddingRules::max_tokens);
  alone(&EmbeddingRules::prompt);
  alone(&EmbeddingRules::dimensions);
  alone(&EmbeddingRules::any_dimensions);
}

TEST(EmbeddingRules, PoolingsHaveNames) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    EXPECT_EQ(parse_pooling(pooling_name(pooling)), pooling);
  }
  EXPECT_EQ(parse_pooling("max"), std::nullopt);
}

TEST(EmbeddingRules, FaultsAreNamed) {
  expect_refused("[]", "expected an object");
  expect_refused("{}", "pooling");
  expect_refused(R"({"pooling": "max", "normalize": true})", "found 'max'");
  expect_refused(R"({"pooling": "cls", "normalize": 1})", "normalize");
  expect_refused(R"({"pooling": "cls", "normalize": true, "max_tokens": -1})", "found -1");
  expect_refused(R"({"pooling": "cls", "normalize": true, "dimensions": [8, 0]})", "found 0");
}

TEST(EmbeddingRules, TheConfigSaysWhichShorterVectorsThereAre) {
  const auto of = [](const char* text) {
    EmbeddingRules rules;
    read_matryoshka(parse_json(text, "test", "c.json"), "c.json", rules);
    return rules;
  };
  EXPECT_EQ(of("{}"), EmbeddingRules());
  EXPECT_EQ(of(R"({"is_matryoshka": false})"), EmbeddingRules());
  EXPECT_TRUE(of(R"({"is_matryoshka": true})").any_dimensions);
  const EmbeddingRules some = of(R"({"is_matryoshka": true, "matryoshka_dimensions": [32, 64]})");
  EXPECT_FALSE(some.any_dimensions) << "only the lengths that are named";
  EXPECT_EQ(some.dimensions, (std::vector<int64_t>{32, 64}));
  EXPECT_THROW(of(R"({"matryoshka_dimensions": [0]})"), Error);
  EXPECT_THROW(of(R"({"is_matryoshka": "yes"})"), Error);
}

}  // namespace embedding_rules_test
}  // namespace ingot
