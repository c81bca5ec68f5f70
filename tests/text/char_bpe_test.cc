#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/detokenizer.h"

namespace ingot {
namespace {

using testing::ElementsAre;

TEST(CharBpe, MarksTheEndsOfWords) {
  const Json json = Json::parse(R"({
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
    "model": {"type": "BPE", "unk_token": "?", "end_of_word_suffix": "</w>",
      "vocab": {"?": 0, "a": 1, "b": 2, "a</w>": 3, "b</w>": 4, "ab</w>": 5},
      "merges": ["a b</w>"]}})");
  const auto t = Tokenizer::load(json.dump(), "t.json");
  EXPECT_EQ(t->kind_name(), "char_bpe");
  const auto ids = t->encode("ab aba a");
  EXPECT_THAT(ids, ElementsAre(5, 1, 2, 3, 3));
  EXPECT_EQ(t->decode(ids), "ab aba a");
  Detokenizer stream(*t);
  std::string text;
  for (const int32_t id : ids) text += stream.push(id);
  EXPECT_EQ(text, "ab aba ");  // whether "a</w>" ends the text is not yet known
  EXPECT_EQ(text + stream.flush(), "ab aba a");
  EXPECT_EQ(stream.flush(), "");
}

TEST(CharBpe, PrefixInsideOfWords) {
  const Json json = Json::parse(R"({
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "decoder": {"type": "WordPiece"},
    "model": {"type": "BPE", "continuing_subword_prefix": "##",
      "vocab": {"a": 0, "b": 1, "##a": 2, "##b": 3, "ab": 4}, "merges": [["a", "##b"]]}})");
  const auto t = Tokenizer::load(json.dump(), "t.json");
  EXPECT_THAT(t->encode("aba ba"), ElementsAre(4, 2, 1, 2));
  EXPECT_EQ(t->decode(t->encode("aba ba")), "aba ba");
}

// Where ByteLevel is not the last step the words are really respelled.
TEST(CharBpe, SpelledBytesAreCharacters) {
  Json json = byte_level_json();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {json["pre_tokenizer"], {{"type", "Digits"}, {"individual_digits", true}}}}};
  const auto t = Tokenizer::load(json.dump(), "t.json");
  EXPECT_EQ(t->kind_name(), "char_bpe");
  EXPECT_THAT(t->encode("the the"), ElementsAre(257, 258));
  EXPECT_EQ(t->decode(t->encode("\u00e9 12")), "\u00e9 12");
}

}  // namespace
}  // namespace ingot
