#include "text/grammar/text_automaton.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

TextAutomaton find(std::string_view expression) {
  return TextAutomaton::of_regex(expression, RegexUse::kFind);
}

TEST(TextAutomaton, FindsAsEcmaScriptDoes) {
  struct Case {
    const char* expression;
    std::vector<std::string> has, has_not;
  };
  const Case cases[] = {
      {"a", {"a", "xay"}, {"", "b"}},
      {"^a|b$", {"ax", "xb", "ab"}, {"xa", "bx"}},
      {"^(a|b)$", {"a", "b"}, {"ab", ""}},
      {"^[a-c]{2,3}$", {"ab", "abc"}, {"a", "abcd", "ad"}},
      {"^(ab)*c?$", {"", "ababc", "c"}, {"abb"}},
      {"^.$", {"é", "😀"}, {"\n", "\r", "\xE2\x80\xA8", "ab"}},
      {"^\\d\\D\\w\\W$", {"1aa-", "1éa-"}, {"11a-", "1aé-"}},
      {"^\\s+$", {" \t\n\xC2\xA0\xEF\xBB\xBF"}, {"", "a"}},
      {"^[^\\S ]$", {"\t"}, {" ", "a"}},
      {"^\\u00e9\\x41\\u{1F600}\\cA\\0$", {std::string("éA😀\x01\0", 9)}, {"éA"}},
      {"^[\\]\\-a]+$", {"]-a"}, {"b"}},
      {"^(?<name>a+?)b*?$", {"aab", "a"}, {"b"}},
      {"^}]$", {"}]"}, {"}"}},
      {"^(|a)*$", {"", "aaa"}, {"b"}},
  };
  for (const Case& c : cases) {
    const TextAutomaton automaton = find(c.expression);
    for (const std::string& text : c.has) EXPECT_TRUE(automaton.has(text)) << c.expression << text;
    for (const std::string& text : c.has_not) {
      EXPECT_FALSE(automaton.has(text)) << c.expression << " " << text;
    }
  }
}

TEST(TextAutomaton, SetsOfTexts) {
  const TextAutomaton lengths = TextAutomaton::of_lengths(2, 3);
  EXPECT_FALSE(lengths.has("é"));
  EXPECT_TRUE(lengths.has("é😀"));
  EXPECT_FALSE(lengths.has("abcd"));
  const TextAutomaton both = find("^a+$").intersect(lengths);
  EXPECT_TRUE(both.has("aa"));
  EXPECT_FALSE(both.has("a"));
  EXPECT_FALSE(both.has("ab"));
  EXPECT_TRUE(both.minus(TextAutomaton::of_texts({"aa", "aaa"})).empty());
  EXPECT_TRUE(find("^a$").intersect(find("^b$")).empty());
  const TextAutomaton others = TextAutomaton::any().minus(TextAutomaton::of_texts({"ab", "é"}));
  EXPECT_FALSE(others.has("ab"));
  EXPECT_FALSE(others.has("é"));
  for (const char* text : {"", "a", "abc", "b", "éé"}) EXPECT_TRUE(others.has(text)) << text;
  EXPECT_TRUE(TextAutomaton::of_texts({}).empty());
}

TEST(TextAutomaton, SizesAreBounded) {
  EXPECT_THROW(find("^(a{1000}){1000}$"), Error);
  EXPECT_THROW(find("^(a|b)*a(a|b){20}$"), Error);  // 2^21 states
  EXPECT_THROW(TextAutomaton::of_lengths(0, 5000), Error);
  EXPECT_THROW(TextAutomaton::of_lengths(5000, -1), Error);
}

// What no grammar says, and faults of syntax with their place.
TEST(RegexParser, Refuses) {
  for (const char* bad : {"a**", "(", ")", "[a", "a{2,1}", "*a", "\\", "\\q", "\\u00", "[b-a]",
                          "a{x}", "\\u{110000}", "^*", "(?<n", "\\ud800"}) {
    try {
      find(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << bad;
    }
  }
  for (const char* bad : {"(?=a)", "(?<!a)b", "(a)\\1", "\\bword", "\\p{L}", "a^b", "(^a)b", "a$b",
                          "\\k<n>", "a{70000}"}) {
    try {
      find(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << bad << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace ingot
