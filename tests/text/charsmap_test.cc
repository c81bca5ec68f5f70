#include "text/tokenizer_pipeline/charsmap.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/tokenizer_pipeline/sentencepiece_normalizer.h"

namespace ingot {
namespace {

// A trie with the keys "a" -> "X" and "ab" -> "": units by hand, children of unit 0 from 256 on.
std::string two_keys(uint32_t value = 0) {
  std::vector<uint32_t> units(1024);
  const auto node = [](uint32_t offset, uint8_t label, bool leaf) {
    return offset << 10 | (leaf ? 1u << 8 : 0u) | label;
  };
  units[0] = node(256, 0, false);
  units[256 ^ 'a'] = node(512 ^ 256 ^ 'a', 'a', true);  // its children from 512 on
  units[512] = 0x80000000 | value;                      // of "a"
  units[512 ^ 'b'] = node(768 ^ 512 ^ 'b', 'b', true);  // its children from 768 on
  units[768] = 0x80000000 | 2;                          // of "ab"
  const auto size = static_cast<uint32_t>(units.size() * 4);
  std::string blob(reinterpret_cast<const char*>(&size), 4);
  blob.append(reinterpret_cast<const char*>(units.data()), size);
  return blob + std::string("X\0\0", 3);
}

std::string normalized(const Normalizer& step, const std::string& text) {
  MarkedText marked = {text, ""};
  step.apply(marked);
  return marked.text;
}

TEST(Charsmap, LongestAndShortest) {
  const Charsmap map(two_keys(), "f");
  EXPECT_EQ(map.longest("abc", 0).length, 2u);
  EXPECT_EQ(map.longest("abc", 0).text, "");
  EXPECT_EQ(map.shortest("abc", 0).length, 1u);
  EXPECT_EQ(map.shortest("abc", 0).text, "X");
  EXPECT_EQ(map.longest("zab", 1).length, 2u);
  EXPECT_EQ(map.longest("b", 0).length, 0u);
  EXPECT_EQ(map.longest("", 0).length, 0u);
  EXPECT_EQ(Charsmap().longest("a", 0).length, 0u);
}

TEST(Charsmap, Normalizers) {
  SentencePieceRules rules;
  rules.charsmap = Charsmap(two_keys(), "f");
  EXPECT_EQ(normalized(*make_sentencepiece_normalizer(rules), " a  abq "), "\u2581X\u2581q");
  rules.space_behind = true;
  rules.kept = {"ab"};
  EXPECT_EQ(normalized(*make_sentencepiece_normalizer(rules), "a abq"), "X\u2581abq\u2581");
  EXPECT_EQ(normalized(*make_sentencepiece_normalizer(rules), "   "), "");
  // One character a grapheme, so the longer key is never looked at.
  EXPECT_EQ(normalized(*make_charsmap_normalizer(rules.charsmap), "abz"), "Xbz");
  // A grapheme whose first character is a key becomes that key's text as a whole.
  EXPECT_EQ(normalized(*make_charsmap_normalizer(rules.charsmap), "a\u0301z"), "Xz");
}

TEST(Charsmap, MarksFollowTheText) {
  SentencePieceRules rules;
  rules.charsmap = Charsmap(two_keys(), "f");
  MarkedText text = {"a b", std::string("\1\0\1", 3)};
  make_sentencepiece_normalizer(rules)->apply(text);
  EXPECT_EQ(text.text, "\u2581X\u2581b");
  EXPECT_EQ(text.marks, std::string("\0\0\0\1\0\0\0\1", 8));
}

TEST(Charsmap, BrokenMapsAreRefused) {
  const auto text = [](auto body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(text([] { Charsmap("abc", "f"); }).find("needs 4 bytes"), std::string::npos);
  EXPECT_NE(text([] { Charsmap(std::string("\3\0\0\0abc", 7), "f"); }).find("multiple of 4"),
            std::string::npos);
  EXPECT_NE(text([] { Charsmap(std::string("\x10\0\0\0abc", 7), "f"); }).find("needs 16 bytes"),
            std::string::npos);
  const std::string outside = text([] { Charsmap(two_keys(77), "f").longest("a", 0); });
  EXPECT_NE(outside.find("f: precompiled_charsmap: expected a text below 3, found 77"),
            std::string::npos);
  const std::string far = std::string("\4\0\0\0", 4) + std::string("\xFF\xFE\xFF\x7F", 4);
  EXPECT_NE(text([&] { Charsmap(far, "f").longest("a", 0); }).find("a unit below 1"),
            std::string::npos);
}

}  // namespace
}  // namespace ingot
