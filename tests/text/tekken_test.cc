#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/text/test_vocabularies.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

// The bytes, then "he", "ll", "hell", "hello" and one for which the size has no room.
Json tekken_json() {
  Json root = {{"config",
                {{"pattern", "[a-z]+|[^a-z]+"},
                 {"default_vocab_size", 30 + 256 + 4},
                 {"default_num_special_tokens", 30},
                 {"version", "v3"}}},
               {"vocab", Json::array()}};
  const auto add = [&](const std::string& bytes) {
    root["vocab"].push_back({{"rank", root["vocab"].size()}, {"token_bytes", base64(bytes)}});
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  for (const char* token : {"he", "ll", "hell", "hello", "he!"}) add(token);
  return root;
}

std::unique_ptr<const Tokenizer> load_tekken(const Json& root) {
  return Tokenizer::load(make_tokenizer_spec(root.dump(), "tekken.json", TokenizerConfig()), "t");
}

std::string tekken_error(const Json& root) {
  try {
    load_tekken(root);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Tekken, SpecialTokensComeFirst) {
  const auto t = load_tekken(tekken_json());
  EXPECT_EQ(t->kind_name(), "tekken");
  EXPECT_EQ(t->encode("hello", {.add_special = true}), (std::vector<int32_t>{1, 289}));
  EXPECT_EQ(t->encode("hell!", {.add_special = false}), (std::vector<int32_t>{288, 30 + '!'}));
  EXPECT_EQ(t->encode("[INST]he[/INST]", {.add_special = false}),
            (std::vector<int32_t>{3, 286, 4}));
  EXPECT_EQ(t->encode("<SPECIAL_29>", {.add_special = false}), (std::vector<int32_t>{29}));
  EXPECT_EQ(t->encode("[INST]", {.add_special = false, .parse_special = false}).size(), 6u);
  EXPECT_EQ(t->decode(t->encode("hello \u4e16\n"), true), "hello \u4e16\n");
  Json named = tekken_json();
  named["special_tokens"] = {{{"rank", 7}, {"token_str", "[NEW]"}, {"is_control", true}}};
  EXPECT_EQ(load_tekken(named)->encode("[NEW][INST]", {.add_special = false}).front(), 7);
  EXPECT_EQ(load_tekken(named)->encode("[INST]", {.add_special = false}).size(), 6u);
}

TEST(Tekken, WhatIsBrokenIsNamed) {
  Json root = tekken_json();
  root["vocab"][5]["rank"] = 6;
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("token 5: expected this rank"));
  root = tekken_json();
  root["vocab"][5]["token_bytes"] = "*";
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("token 5"));
  root = tekken_json();
  root["config"]["default_vocab_size"] = 1000;
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("1000 ids"));
  root["config"]["default_vocab_size"] = int64_t{1} << 40;
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("default_vocab_size is"));
  root = tekken_json();
  root["special_tokens"] = {{{"rank", 30}, {"token_str", "x"}}};
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("expected a rank below 30"));
  root.erase("config");
  EXPECT_THAT(tekken_error(root), testing::HasSubstr("config"));
}

}  // namespace
}  // namespace ingot
