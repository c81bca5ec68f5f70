#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/detokenizer.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json unigram_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true, "normalized": false},
                     {"id": 1, "content": "</s>", "special": true, "normalized": false}],
    "normalizer": {"type": "NFKC"},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["</s>", 0],
      ["▁", -2], ["a", -3], ["b", -3.5], ["ab", -5], ["▁a", -4], ["aba", -6]]}})");
}

TEST(Unigram, BestSumOfScoresWins) {
  const auto t = Tokenizer::load(unigram_json().dump(), "t.json");
  EXPECT_EQ(t->kind_name(), "unigram");
  const EncodeOptions plain = {.add_special = false};
  EXPECT_THAT(t->encode("a", plain), ElementsAre(6));           // ▁a -4 beats ▁ a -5
  EXPECT_THAT(t->encode("ab", plain), ElementsAre(2, 5));       // ▁ ab -7 beats ▁a b -7.5
  EXPECT_THAT(t->encode("aba", plain), ElementsAre(2, 7));      // ▁ aba -8
  EXPECT_THAT(t->encode("a", {}), ElementsAre(6, 1));           // the template's end
  EXPECT_THAT(t->encode("axya", plain), ElementsAre(6, 0, 3));  // unknown neighbours are one
  EXPECT_THAT(t->encode("\uFF41", plain), ElementsAre(6));      // NFKC
  EXPECT_EQ(t->decode(t->encode("ab  a")), "ab  a");
  // Text that only becomes a control token's by normalization stays text.
  for (const int32_t id : t->encode("\uFF1C/s>", plain)) EXPECT_NE(id, 1);
}

TEST(Unigram, WithoutUnknownTokenTheCharacterIsNamed) {
  Json json = unigram_json();
  json["model"]["unk_id"] = nullptr;
  const auto t = Tokenizer::load(json.dump(), "t.json");
  EXPECT_THAT(t->encode("ab", {.add_special = false}), ElementsAre(2, 5));
  EXPECT_THAT(error_text([&] { t->encode("az"); }),
              HasSubstr("[text/unigram] t.json: expected a token for 'z' or an unknown token"));
}

TEST(Unigram, BrokenVocabularies) {
  const auto with = [](const char* path, Json value) {
    Json json = unigram_json();
    json[Json::json_pointer(path)] = std::move(value);
    return error_text([&] { Tokenizer::load(json.dump(), "t.json"); });
  };
  EXPECT_THAT(with("/model/unk_id", 8), HasSubstr("expected an unk_id below 8, found 8"));
  EXPECT_THAT(with("/model/unk_id", -1), HasSubstr("unk_id"));
  EXPECT_THAT(with("/model/vocab/3", "x"), HasSubstr("entry 3 is not a pair"));
  EXPECT_THAT(with("/model/vocab/3", {1, 2}), HasSubstr("entry 3 does not begin with a string"));
  EXPECT_THAT(with("/model/vocab", Json::object({{"a", 0}})), HasSubstr("with scores, found none"));
  EXPECT_THAT(with("/model/vocab/7/0", std::string(2000, 'a')), HasSubstr("token 7 has 2000"));
}

TEST(Unigram, SentencePieceFile) {
  const auto t = load_file(sentencepiece_model(1), "spiece.model");
  EXPECT_EQ(t->kind_name(), "unigram");
  EXPECT_THAT(t->encode("  a   b "), ElementsAre(1, 3, 4, 3, 5));  // extra spaces go
  EXPECT_EQ(t->decode(t->encode("ab a")), "ab a");
  EXPECT_THAT(t->encode("zz", {.add_special = false}), ElementsAre(3, 0));
  EXPECT_EQ(t->bos_id(), 1);
  EXPECT_EQ(t->eos_id(), 2);
  const auto t5 = load_file(sentencepiece_model(1), "spiece.model",
                            R"({"tokenizer_class": "T5Tokenizer", "eos_token": "</s>",
                                "added_tokens_decoder": {"11": {"content": "<x>",
                                                                "special": true}}})");
  EXPECT_THAT(t5->encode("a<x>"), ElementsAre(3, 4, 11, 2));
  for (const std::string name : {"XLMRobertaTokenizer", "MBart50TokenizerFast", "NllbTokenizer"}) {
    const std::string plain = name.substr(0, name.find("Fast"));
    EXPECT_THAT(error_text([&] {
                  load_file(sentencepiece_model(1), "sentencepiece.bpe.model",
                            fmt::format(R"({{"tokenizer_class": "{}"}})", name));
                }),
                HasSubstr("sentencepiece.bpe.model: the ids of class " + plain))
        << name;
  }
}

TEST(Unigram, UserDefinedPiecesWin) {
  const auto t = load_file(
      sentencepiece_model(1, sentencepiece_piece("ba", -50, VocabTokenType::kUserDefined) +
                                 sentencepiece_piece("bab", -50, VocabTokenType::kUnused)),
      "m.model");
  const EncodeOptions plain = {.add_special = false};
  EXPECT_THAT(t->encode("abab", plain), ElementsAre(3, 4, 11, 5));
  EXPECT_EQ(t->decode(t->encode("abab")), "abab");
}

TEST(Unigram, GgufT5AddsItsEnd) {
  VocabSource v = sentencepiece_vocab();
  v.model = "t5";
  v.types[3] = static_cast<uint8_t>(VocabTokenType::kUnused);
  const auto t = Tokenizer::load(make_tokenizer_spec(v), "v.gguf");
  EXPECT_EQ(t->kind_name(), "unigram");
  EXPECT_EQ(t->encode("a").back(), 2);
  v.scores.clear();
  EXPECT_THAT(error_text([&] { Tokenizer::load(make_tokenizer_spec(v), "v.gguf"); }),
              HasSubstr("without scores"));
}

}  // namespace
}  // namespace ingot
