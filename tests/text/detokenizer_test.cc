#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

std::string stream(const Tokenizer& t, const std::vector<int32_t>& ids,
                   const DetokenizeOptions& options = {}) {
  Detokenizer d(t, options);
  std::string out;
  for (const int32_t id : ids) {
    const std::string piece = d.push(id);
    EXPECT_EQ(validate_utf8(piece), kUtf8Valid);
    out += piece;
  }
  return out + d.flush();
}

TEST(Detokenizer, NeverSplitsACharacter) {
  const auto t = byte_level_tokenizer();
  Detokenizer d(*t);
  EXPECT_EQ(d.push('a'), "a");
  EXPECT_EQ(d.push(0xF0), "");
  EXPECT_EQ(d.push(0x9F), "");
  EXPECT_EQ(d.push(0x98), "");
  EXPECT_EQ(d.push(0x80), "\U0001F600");
  EXPECT_EQ(d.push(0xE2), "");
  EXPECT_EQ(d.push('b'), "\uFFFDb");  // the character never came
  EXPECT_EQ(d.push(0xC3), "");
  EXPECT_EQ(d.flush(), "\uFFFD");
  EXPECT_EQ(d.flush(), "");
}

// Models pad their vocabulary beyond the tokenizer's.
TEST(Detokenizer, IdsBeyondTheVocabularyPrintNothing) {
  const auto t = byte_level_tokenizer();
  EXPECT_EQ(stream(*t, {'a', t->vocab_size(), 1 << 30, 'b'}), "ab");
  EXPECT_EQ(t->decode(std::vector<int32_t>{'a', t->vocab_size(), 'b'}), "ab");
}

TEST(Detokenizer, SkipsControlTokensUnlessAsked) {
  const auto t = byte_level_tokenizer();
  EXPECT_EQ(stream(*t, {260, 'a', 261, 262}), "a<tool>");
  EXPECT_EQ(stream(*t, {260, 'a', 261}, {.skip_special = false}), "<|start|>a<|end|>");
}

TEST(Detokenizer, SentencePieceDropsOneLeadingSpace) {
  const auto t = Tokenizer::load(make_tokenizer_spec(sentencepiece_vocab()), "v");
  EXPECT_EQ(stream(*t, {1, 263, 263}), "a a");
  EXPECT_EQ(stream(*t, {259, 263}), " a");
  EXPECT_EQ(stream(*t, {263, 263}, {.at_text_start = false}), " a a");
  EXPECT_EQ(stream(*t, {3 + 0xC3, 3 + 0xA9}), "\u00e9");
  EXPECT_EQ(stream(*t, {3 + 0xC3, 260}), "\uFFFDa");
}

TEST(Detokenizer, PiecesJoinToDecode) {
  const auto byte_level = byte_level_tokenizer();
  const auto pieces = Tokenizer::load(make_tokenizer_spec(sentencepiece_vocab()), "v");
  uint64_t state = 3;
  for (const Tokenizer* t : {byte_level.get(), pieces.get()}) {
    for (int round = 0; round < 500; ++round) {
      std::vector<int32_t> ids;
      for (int i = 0; i < 40; ++i) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        // Many lead and continuation bytes.
        const auto r = static_cast<int32_t>(state >> 40);
        ids.push_back(r % 3 == 0 ? r % t->vocab_size() : 0x80 + r % 0x80);
      }
      ASSERT_EQ(stream(*t, ids), t->decode(ids));
    }
  }
}

}  // namespace
}  // namespace ingot
