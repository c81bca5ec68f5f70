#include "base/generation_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot {
namespace {

using testing::HasSubstr;

GenerationDefaults read_defaults(const std::string& text, int64_t vocab_size = 0) {
  return generation_defaults_from_json(parse_json(text, "test", "g.json"), "g.json", vocab_size);
}

std::string refusal(const std::string& text, int64_t vocab_size = 0) {
  try {
    read_defaults(text, vocab_size);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(GenerationDefaultsTest, EveryFieldComesBack) {
  GenerationDefaults all;
  all.eos_ids = {7, 8};
  all.bos_id = 1;
  all.pad_id = 3;
  all.do_sample = true;
  all.temperature = 0.1;  // has no exact binary form
  all.top_p = 0.95;
  all.min_p = 0.05;
  all.top_k = 40;
  all.repetition_penalty = 1.1;
  all.chat_format = "chatml";
  // A field more or less does not compile here: give it a value above and a comparison below.
  auto& [eos, bos, pad, sample, temperature, top_p, min_p, top_k, penalty, chat] = all;
  EXPECT_TRUE(bos && pad && sample && temperature && top_p && min_p && top_k && penalty && chat);
  EXPECT_FALSE(eos.empty());
  const auto again = [](const GenerationDefaults& d) {
    return read_defaults(generation_defaults_to_json(d).dump(), 97);
  };
  EXPECT_EQ(again(all), all);
  EXPECT_EQ(generation_defaults_to_json(all).size(), 10u);
  // And each one alone, so that no field stands in for another.
  const GenerationDefaults none;
  EXPECT_EQ(again(none), none);
  const auto alone = [&](auto member) {
    GenerationDefaults one;
    one.*member = all.*member;
    EXPECT_EQ(again(one), one) << generation_defaults_to_json(one).dump();
    EXPECT_FALSE(one == none);
  };
  alone(&GenerationDefaults::eos_ids);
  alone(&GenerationDefaults::bos_id);
  alone(&GenerationDefaults::pad_id);
  alone(&GenerationDefaults::do_sample);
  alone(&GenerationDefaults::temperature);
  alone(&GenerationDefaults::top_p);
  alone(&GenerationDefaults::min_p);
  alone(&GenerationDefaults::top_k);
  alone(&GenerationDefaults::repetition_penalty);
  alone(&GenerationDefaults::chat_format);
}

TEST(GenerationDefaultsTest, NullIsAbsentAndAnIdIsAList) {
  EXPECT_EQ(read_defaults("null"), GenerationDefaults());
  const GenerationDefaults d =
      read_defaults(R"({"eos_token_id":5,"bos_token_id":[1],"top_k":null,"unknown":{}})");
  EXPECT_EQ(d.eos_ids, (std::vector<int64_t>{5}));
  EXPECT_EQ(d.bos_id, 1);
  EXPECT_EQ(d.top_k, std::nullopt);
}

TEST(GenerationDefaultsTest, WrongFieldsAreRefusedByName) {
  EXPECT_THAT(refusal("[]"), HasSubstr("g.json: expected an object, found array"));
  EXPECT_THAT(refusal(R"({"temperature":"warm"})"),
              HasSubstr("g.json: 'temperature': expected a number, found string"));
  EXPECT_THAT(refusal(R"({"pad_token_id":1.5})"), HasSubstr("'pad_token_id'"));
}

// Nothing is narrowed: 2^32 + 5 must not become 5.
TEST(GenerationDefaultsTest, TopKOutsideItsRangeIsRefused) {
  EXPECT_EQ(read_defaults(R"({"top_k":0})", 97).top_k, 0);
  EXPECT_EQ(read_defaults(R"({"top_k":97})", 97).top_k, 97);
  EXPECT_THAT(refusal(R"({"top_k":98})", 97),
              HasSubstr("g.json: 'top_k': expected 0 to 97, found 98"));
  EXPECT_THAT(refusal(R"({"top_k":-1})"),
              HasSubstr("g.json: 'top_k': expected 0 to 2147483647, found -1"));
  EXPECT_EQ(read_defaults(R"({"top_k":2147483647})").top_k, 2147483647);
  EXPECT_THAT(refusal(R"({"top_k":4294967301})"), HasSubstr("found 4294967301"));
  EXPECT_THAT(refusal(R"({"top_k":4294967301})", int64_t{1} << 40),
              HasSubstr("0 to 2147483647, found 4294967301"));
  EXPECT_THAT(refusal(R"({"top_k":1e30})"), HasSubstr("'top_k': expected an integer"));
}

TEST(GenerationDefaultsTest, AnEndTokenPastTheVocabularyIsRefused) {
  EXPECT_EQ(read_defaults(R"({"eos_token_id":[0,96]})", 97).eos_ids, (std::vector<int64_t>{0, 96}));
  EXPECT_THAT(refusal(R"({"eos_token_id":97})", 97),
              HasSubstr("g.json: 'eos_token_id': expected 0 to 96, found 97"));
  EXPECT_THAT(refusal(R"({"eos_token_id":[1,99999]})", 97), HasSubstr("found 99999"));
  EXPECT_THAT(refusal(R"({"eos_token_id":-1})", 97), HasSubstr("0 to 96, found -1"));
  EXPECT_THAT(refusal(R"({"eos_token_id":4294967301})"), HasSubstr("0 to 2147483647"));
  // Others may be: old configs say -1 for none, and nothing here runs on them.
  EXPECT_EQ(read_defaults(R"({"pad_token_id":-1})", 97).pad_id, -1);
}

}  // namespace
}  // namespace ingot
