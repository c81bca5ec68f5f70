#include "text/tokenizer_formats/sentencepiece_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& bytes) {
  return error_text([&] { load_file(bytes, "tokenizer.model"); });
}

TEST(SentencePieceFile, BpeJoinsByScore) {
  const auto t = load_file(sentencepiece_model(2), "tokenizer.model");
  EXPECT_EQ(t->kind_name(), "sentencepiece_bpe");
  EXPECT_THAT(t->encode("abab", {.add_special = false}), ElementsAre(8, 6));
  EXPECT_THAT(t->encode("zz\u00e9", {.add_special = false}), ElementsAre(3, 0, 10));
  EXPECT_EQ(t->decode(t->encode("ab \u00e9")), "ab \u00e9");
}

// "c" is no piece of its own, yet SentencePiece joins texts, not ids.
TEST(SentencePieceFile, CharactersWithoutAPieceStillMerge) {
  const auto t = load_file(sentencepiece_model(2, sentencepiece_piece("bc", -1)), "m.model");
  EXPECT_THAT(t->encode("bc", {.add_special = false}), ElementsAre(3, 11));
  EXPECT_THAT(t->encode("cb", {.add_special = false}), ElementsAre(3, 0, 5));
}

TEST(SentencePieceFile, UserDefinedPiecesAreNotSplitNorJoined) {
  const auto t =
      load_file(sentencepiece_model(2, sentencepiece_piece("ba", 0, VocabTokenType::kUserDefined)),
                "m.model");
  EXPECT_THAT(t->encode("abab", {.add_special = false}), ElementsAre(7, 11, 5));
}

TEST(SentencePieceFile, NormalizerRules) {
  const std::string keep = proto_field(3, uint64_t{0}) + proto_field(4, uint64_t{0});
  const auto t = load_file(sentencepiece_model(2, "", keep), "m.model");
  EXPECT_THAT(t->encode(" a  b", {.add_special = false}), ElementsAre(7, 3, 3, 5));
  EXPECT_EQ(t->decode(t->encode(" a  b")), " a  b");
}

TEST(SentencePieceFile, BrokenFilesNameThePlace) {
  EXPECT_THAT(refusal(""), HasSubstr("expected an unknown piece, found none among 0"));
  EXPECT_THAT(refusal("\x0A\x7F"), HasSubstr("tokenizer.model: model at offset 2: expected 127"));
  EXPECT_THAT(refusal("\x0F"), HasSubstr("expected a field, found the tag 15"));
  EXPECT_THAT(refusal(std::string(11, '\xFF')), HasSubstr("at most 10 bytes"));
  EXPECT_THAT(refusal(proto_field(1, uint64_t{3})),
              HasSubstr("field 1: expected wire type 2, found 0"));
  EXPECT_THAT(refusal(sentencepiece_model(3)), HasSubstr("found 3 (WORD)"));
  EXPECT_THAT(refusal(sentencepiece_model(2, sentencepiece_piece("ab", 0))),
              HasSubstr("piece 11 'ab': expected another text than that of piece 6"));
  EXPECT_THAT(refusal(sentencepiece_model(1, sentencepiece_piece("", 0))),
              HasSubstr("piece 11: expected a text in UTF-8, found none"));
  EXPECT_THAT(refusal(sentencepiece_model(1, sentencepiece_piece("\xFF", 0))),
              HasSubstr("found other bytes"));
  EXPECT_THAT(
      refusal(sentencepiece_model(1, sentencepiece_piece("<0x41>", 0, VocabTokenType::kByte))),
      HasSubstr("a byte's piece is not expected"));
  EXPECT_THAT(refusal(sentencepiece_model(1) + proto_field(2, proto_field(35, uint64_t{1}))),
              HasSubstr("expected pieces for 256 bytes, found none for 0"));
  EXPECT_THAT(
      refusal(sentencepiece_model(2, sentencepiece_piece("q", 0, VocabTokenType::kUnknown))),
      HasSubstr("found a second"));
  EXPECT_THAT(refusal(sentencepiece_model(1, "", proto_field(2, "\x04"))),
              HasSubstr("precompiled_charsmap"));
  EXPECT_THAT(refusal(sentencepiece_model(1) + proto_field(5, proto_field(2, "x"))),
              HasSubstr("denormalizer"));
  const std::string good = sentencepiece_model(1);
  for (size_t size = 0; size < good.size() - 2; ++size) {
    const std::string text = refusal(good.substr(0, size));
    // A cut between two pieces leaves a whole file.
    if (!text.empty()) EXPECT_THAT(text, HasSubstr("tokenizer.model")) << size;
  }
}

}  // namespace
}  // namespace ingot
