#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

using testing::ElementsAre;

TEST(WordLevel, WholeWordsOrTheUnknownToken) {
  Json json = Json::parse(R"({
    "pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "unk_token": "?",
              "vocab": {"?": 0, "cat": 1, "a": 2, "!": 3}}})");
  const auto t = Tokenizer::load(json.dump(), "t.json");
  EXPECT_EQ(t->kind_name(), "wordlevel");
  EXPECT_THAT(t->encode("a cat! cats"), ElementsAre(2, 1, 3, 0));
  EXPECT_EQ(t->decode(std::vector<int32_t>{2, 1}), "a cat");  // no decoder: joined by spaces
  json["model"].erase("unk_token");
  EXPECT_THAT(Tokenizer::load(json.dump(), "t.json")->encode("a cats"), ElementsAre(2));
}

}  // namespace
}  // namespace ingot
