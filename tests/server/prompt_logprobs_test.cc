#include "server/prompt_logprobs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

const std::shared_ptr<const Tokenizer>& bytes() {
  static const std::shared_ptr<const Tokenizer> tokenizer =
      Tokenizer::load(byte_tokenizer_json(), "bytes");
  return tokenizer;
}

TEST(PromptLogprobs, TheTokenStandsBehindTheBest) {
  const int32_t prompt[] = {'a', 'b', 'c'};
  const TokenLogprobs logprobs[] = {{-1.0f, {{'b', -1.0f}, {'x', -2.0f}}},
                                    {-INFINITY, {{'y', -0.5f}, {'z', -3.0f}}}};
  EXPECT_EQ(prompt_logprobs_json(*bytes(), prompt, logprobs, 1), Json::parse(R"([null,
              {"98": {"logprob": -1.0, "rank": 1, "decoded_token": "b"}},
              {"121": {"logprob": -0.5, "rank": 1, "decoded_token": "y"},
               "99": {"logprob": -9999.0, "rank": null, "decoded_token": "c"}}])"));
}

TEST(LegacyLogprobs, OffsetsAreOfCharactersThroughPromptAndAnswer) {
  LegacyLogprobs lists(*bytes(), 0, 1);
  const int32_t prompt[] = {256, 0xc3, 0xa4, 'b'};
  const TokenLogprobs known[] = {{-1.0f, {{'q', -0.5f}}}, {-2.0f, {}}, {-3.0f, {{'b', -3.0f}}}};
  lists.add_prompt(prompt, known, "\u00e4b");
  const int32_t answer[] = {'c', 'd'};
  const TokenLogprobs drawn[] = {{-4.0f, {{'c', -4.0f}}}, {-5.0f, {{'e', -1.0f}, {'f', -2.0f}}}};
  lists.add(answer, drawn);
  const Json json = lists.json();
  EXPECT_EQ(json["text_offset"], Json::parse("[0, 0, 1, 1, 2, 3]"));
  EXPECT_EQ(json["token_logprobs"], Json::parse("[null, -1.0, -2.0, -3.0, -4.0, -5.0]"));
  EXPECT_EQ(json["tokens"][3], "b");
  EXPECT_EQ(json["top_logprobs"][0], nullptr);
  EXPECT_EQ(json["top_logprobs"][3], Json::parse(R"({"b": -3.0})"));
  EXPECT_EQ(json["top_logprobs"][5], Json::parse(R"({"e": -1.0, "d": -5.0})"));
}

TEST(LegacyLogprobs, AControlTokenTakesRoomWhereTheTextSpellsIt) {
  LegacyLogprobs lists(*bytes(), 0, 0);
  const int32_t prompt[] = {256, 'b', 'c'};
  const TokenLogprobs known[] = {{-1.0f, {}}, {-2.0f, {}}};
  lists.add_prompt(prompt, known, "<|im_start|>bc");
  EXPECT_EQ(lists.json()["text_offset"], Json::parse("[0, 12, 13]"));
}

}  // namespace
}  // namespace ingot
