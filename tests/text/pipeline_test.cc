// Normalizers, pre-tokenizers and decoders of tokenizer.json, seen through a vocabulary of words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/tokenizer_pipeline/byte_trie.h"
#include "text/tokenizer_pipeline/unicode_history.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Words of `text` behind the given steps; what is not ASCII is spelled as it is.
std::vector<std::string> words(const Json& normalizer, const Json& pre_tokenizer,
                               const std::string& text, const std::vector<std::string>& known) {
  Json vocab = {{"?", 0}};
  for (const std::string& word : known) vocab[word] = static_cast<int>(vocab.size());
  const Json json = {{"normalizer", normalizer},
                     {"pre_tokenizer", pre_tokenizer},
                     {"model", {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", vocab}}}};
  const auto t = Tokenizer::load(json.dump(), "t.json");
  std::vector<std::string> out;
  for (const int32_t id : t->encode(text)) out.emplace_back(t->token_text(id));
  return out;
}

TEST(Pipeline, PreTokenizers) {
  const auto split = [](const Json& step, const std::string& text,
                        const std::vector<std::string>& known) {
    return words(nullptr, step, text, known);
  };
  EXPECT_THAT(split({{"type", "Whitespace"}}, "it's 5!?", {"it", "'", "s", "5", "!?"}),
              ElementsAre("it", "'", "s", "5", "!?"));
  EXPECT_THAT(split({{"type", "WhitespaceSplit"}}, "a\u00a0b\nc", {"a", "b", "c"}),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(split({{"type", "BertPreTokenizer"}}, "a,b \u3001", {"a", ",", "b", "\u3001"}),
              ElementsAre("a", ",", "b", "\u3001"));
  EXPECT_THAT(split({{"type", "Punctuation"}, {"behavior", "MergedWithPrevious"}}, "a,b!!",
                    {"a,", "b!", "!"}),
              ElementsAre("a,", "b!", "!"));
  EXPECT_THAT(split({{"type", "CharDelimiterSplit"}, {"delimiter", "-"}}, "a--b", {"a", "b"}),
              ElementsAre("a", "b"));
  EXPECT_THAT(split({{"type", "UnicodeScripts"}}, " ab\u3042\u30a2\u4eba \u0431",
                    {"ab", "\u3042\u30a2\u4eba ", "\u0431"}),
              ElementsAre("ab", "\u3042\u30a2\u4eba ", "\u0431"));
  EXPECT_THAT(split({{"type", "UnicodeScripts"}}, "   ", {}), ElementsAre());
}

TEST(Pipeline, Normalizers) {
  const auto normal = [](const Json& step, const std::string& text, const std::string& want) {
    return words(step, nullptr, text, {want});
  };
  EXPECT_THAT(normal({{"type", "Lowercase"}}, "\u00c4\u0130\u03a3", "\u00e4i\u0307\u03c3"),
              ElementsAre("\u00e4i\u0307\u03c3"));
  EXPECT_THAT(normal({{"type", "Nmt"}}, "a\x01\tb\u200bc", "a b c"), ElementsAre("a b c"));
  EXPECT_THAT(normal({{"type", "StripAccents"}}, "e\u0301\u0903", "e"), ElementsAre("e"));
  EXPECT_THAT(normal({{"type", "ByteLevel"}}, "\u00e9 ", "\u00c3\u00a9\u0120"),
              ElementsAre("\u00c3\u00a9\u0120"));
  EXPECT_THAT(normal({{"type", "NFKC"}}, "\ufb01\u32ff", "fi\u32ff"), ElementsAre("fi\u32ff"));
  EXPECT_THAT(normal({{"type", "Precompiled"}, {"precompiled_charsmap", ""}}, "a", "a"),
              ElementsAre("a"));
  EXPECT_THAT(error_text([&] {
                normal({{"type", "Precompiled"}, {"precompiled_charsmap", "?"}}, "", "");
              }),
              HasSubstr("not base64"));
}

TEST(Pipeline, FirstIsTheFrontOfTheRawText) {
  const Json meta = {{"type", "Metaspace"}, {"prepend_scheme", "first"}, {"split", false}};
  const Json strip = {{"type", "Strip"}};
  EXPECT_THAT(words(strip, meta, "a ", {"a", "\u2581a"}), ElementsAre("\u2581a"));
  EXPECT_THAT(words(strip, meta, " a", {"a", "\u2581a"}), ElementsAre("a"));
}

TEST(Pipeline, DecodersBehindOneAnother) {
  const auto decoded = [](Json decoders) {
    Json json = byte_level_json();
    json["model"]["vocab"] = {{"\u2581a", 0}, {"<0x41>", 1}, {"bb", 2}};
    json["model"]["merges"] = Json::array();
    json["pre_tokenizer"] = nullptr;
    json["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
    return Tokenizer::load(json.dump(), "t.json")->decode(std::vector<int32_t>{0, 0, 1, 2});
  };
  const Json space = {{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  const Json fuse = {{"type", "Fuse"}}, bytes = {{"type", "ByteFallback"}};
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  EXPECT_EQ(decoded({space, bytes, fuse, strip}), "a aAbb");
  EXPECT_EQ(decoded({space, bytes, strip}), "aaAbb");  // each token for itself
  EXPECT_EQ(decoded({{{"type", "Strip"}, {"content", "b"}, {"start", 0}, {"stop", 1}}, space}),
            " a a<0x41>b");
  EXPECT_EQ(decoded({{{"type", "Replace"}, {"pattern", {{"Regex", "[ab]"}}}, {"content", "."}}}),
            "\u2581.\u2581.<0x41>..");
  EXPECT_THAT(error_text([&] { decoded({fuse, space}); }), HasSubstr("Replace behind Fuse"));
  EXPECT_THAT(error_text([&] {
                decoded({{{"type", "WordPiece"}}, {{"type", "BPEDecoder"}}});
              }),
              HasSubstr("first or the last token, found both"));
}

TEST(ByteTrie, PrefixesOfAText) {
  ByteTrie trie;
  EXPECT_TRUE(trie.empty());
  trie.insert("ab", 1);
  trie.insert("abcd", 2);
  trie.insert("abcd", 3);
  for (int i = 0; i < 1000; ++i) trie.insert("x" + std::to_string(i), i);
  std::vector<int32_t> found;
  trie.for_each_prefix("zabcde", 1, [&](size_t, int32_t value) { found.push_back(value); });
  EXPECT_THAT(found, ElementsAre(1, 3));
  EXPECT_EQ(trie.longest("abce", 0).length, 2u);
  EXPECT_EQ(trie.longest("b", 0).value, -1);
  for (int i = 100; i < 1000; ++i) EXPECT_EQ(trie.longest("x" + std::to_string(i), 0).value, i);
}

TEST(UnicodeHistory, AsTheReferenceHasIt) {
  EXPECT_TRUE(is_newer_than_unicode9(0x560));
  EXPECT_FALSE(is_newer_than_unicode9('a'));
  EXPECT_TRUE(was_unicode_mark(0x301));
  EXPECT_TRUE(was_unicode_mark(0x1CF2));        // a letter since Unicode 12
  EXPECT_FALSE(was_unicode_mark(0x7FD));        // of Unicode 11
  EXPECT_FALSE(was_unicode_nonspacing(0x8D4));  // of Unicode 9
  EXPECT_TRUE(was_unicode_punctuation('$'));
  EXPECT_TRUE(was_unicode_punctuation(0x166D));  // a symbol since Unicode 12
  EXPECT_FALSE(was_unicode_control(0x8E2));
  EXPECT_TRUE(decomposes_lately(0x32FF));
}

}  // namespace
}  // namespace ingot
