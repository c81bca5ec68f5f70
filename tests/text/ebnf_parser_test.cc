#include "text/grammar/ebnf_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

using Kind = EbnfElement::Kind;

std::string ebnf_error(const std::string& text) {
  try {
    parse_ebnf(text);
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + " " + error.what();
  }
  return "";
}

const EbnfElement& ebnf_body(const EbnfRules& rules, std::string_view name) {
  for (const EbnfRule& rule : rules.rules) {
    if (rule.name == name) return rule.body;
  }
  ADD_FAILURE() << name;
  return rules.rules[0].body;
}

TEST(EbnfParser, ReadsRulesOfBothSpellings) {
  const EbnfRules rules = parse_ebnf(R"(# a comment
root   ::= object-1 | "x"{2,5} # another ::= one
  ( [^a-c\]\n\d-] item* "é\u00e9\x41\U0001F600\ud83d\ude00\"" )+
ws ::= | " " ws
object-1 ::= item {3} item{2,} item{,4} .
item::="")");
  ASSERT_EQ(rules.rules.size(), 4U);
  EXPECT_EQ(rules.rules[static_cast<size_t>(rules.root)].name, "root");
  const EbnfElement& root = ebnf_body(rules, "root");
  ASSERT_EQ(root.kind, Kind::kChoice);
  ASSERT_EQ(root.children.size(), 2U);
  EXPECT_EQ(root.children[0].kind, Kind::kRule);
  const EbnfElement& second = root.children[1];
  ASSERT_EQ(second.children.size(), 2U);
  EXPECT_EQ(second.children[0].least, 2);
  EXPECT_EQ(second.children[0].most, 5);
  EXPECT_EQ(second.children[1].least, 1);
  EXPECT_EQ(second.children[1].most, -1);
  const EbnfElement& group = second.children[1].children[0];
  ASSERT_EQ(group.children.size(), 3U);
  for (const char32_t code : std::u32string(U"abc]\n5-")) {
    EXPECT_FALSE(group.children[0].set.contains(code)) << static_cast<uint32_t>(code);
  }
  EXPECT_TRUE(group.children[0].set.contains(U'd'));
  EXPECT_EQ(group.children[2].text, "\u00e9\u00e9A\U0001F600\U0001F600\"");
  EXPECT_TRUE(ebnf_body(rules, "ws").children[0].children.empty());
  const EbnfElement& object = ebnf_body(rules, "object-1");
  EXPECT_EQ(object.children[0].least, 3);
  EXPECT_EQ(object.children[0].most, 3);
  EXPECT_EQ(object.children[1].most, -1);
  EXPECT_EQ(object.children[2].least, 0);
  EXPECT_EQ(object.children[2].most, 4);
  EXPECT_EQ(object.children[3].set, CodeSet::all());
}

TEST(EbnfParser, SaysWhereAndWhatWasFound) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "invalid_argument [text/grammar] line 1, column 1: expected rules"},
      {"a ::= \"x\"", "the grammar has no rule 'root'"},
      {"root ::= \"a\" foo", "line 1, column 14: the rule 'foo' is not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: the rule 'root' is defined a second"},
      {"root = \"a\"", "line 1, column 6: expected '::=' behind 'root', found '='"},
      {"root ::=", "line 1, column 9: expected an element (\"\" is the empty text), found the end"},
      {"root ::= ( ) \"x\"", "column 12: expected an element"},
      {"root ::= (\"a\" | \"b\"", "line 1, column 20: expected ')', found the end"},
      {"root ::= \"a\")", "column 13: expected an element, '|' or the next rule, found ')'"},
      {"root ::= \"a\n\"", "column 10: a text without its closing"},
      {"root ::= [a\n]", "column 10: a class without its closing"},
      {"root ::= []", "column 10: a class without characters"},
      {"root ::= [z-a]", "column 13: expected a range's end behind its begin, found 'a'"},
      {"root ::= \"\\q\"", "column 12: expected an escape"},
      {"root ::= \"\\u12\"", "column 15: expected a hexadecimal digit, found '\"'"},
      {"root ::= \"\\ud800\"", "expected an escape of a character of Unicode"},
      {"root ::= \"\\U00110000\"", "expected an escape of a character of Unicode"},
      {"root ::= \"a\"{3,2}", "column 13: expected a repetition of at least one number of times"},
      {"root ::= \"a\"{x}", "column 14: expected a number of repetitions, found 'x'"},
      {"root ::= \"a\"{2", "column 15: expected '}'"},
      {"root ::= \"a\"*?", "column 14: expected one repetition behind an element, found '?'"},
      {"root ::= *", "column 10: expected a text, a class, a group or a rule's name, found '*'"},
      {"root ::= \u00e9", "found '\u00e9'"},
      {"root ::= \"a\" /re/", "found '/'"},
      {"root ::= Regex(\"(((\")",
       "unsupported [text/grammar] line 1, column 10: the macro "
       "'Regex(...)' cannot be enforced"},
      {"root ::= \"a\"\n  TagDispatch((\"x\", root))", "line 2, column 3: the macro 'TagDispatch"},
      {"root ::= Token(3)", "the macro 'Token(...)'"},
      {"root[lazy] ::= \"a\"", "unsupported [text/grammar] line 1, column 5: an attribute"},
      {"root ::= \"a\" (= \"b\")", "column 14: a look-ahead"},
      {"root ::= \"a\"{10001}", "column 14: more than 10000 repetitions cannot be enforced"},
      {"root ::= \"a\"{0,2147483648}", "column 16: more than 10000 repetitions"},
      {"root ::= \"a\"{18446744073709551617}", "column 14: more than 10000 repetitions"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ebnf_error(c.text), testing::HasSubstr(c.message)) << c.text;
  }
  EXPECT_THAT(ebnf_error(std::string("root ::= \0", 10)), testing::HasSubstr("column 10"));
}

// Parentheses after a rule's name are a group where the rule is defined.
TEST(EbnfParser, GroupsMayStandBehindNames) {
  const EbnfRules rules = parse_ebnf("root ::= item(\",\" item)*\nitem ::= \"x\"");
  EXPECT_EQ(ebnf_body(rules, "root").children.size(), 2U);
}

TEST(EbnfParser, DepthAndSizeAreBounded) {
  const auto nested = [](size_t depth) {
    return "root ::= " + std::string(depth, '(') + "\"x\"" + std::string(depth, ')');
  };
  EXPECT_EQ(ebnf_error(nested(EbnfLimits::kNesting - 1)), "");
  EXPECT_THAT(ebnf_error(nested(EbnfLimits::kNesting)),
              testing::HasSubstr("unsupported [text/grammar] line 1, column 74: groups are nested "
                                 "deeper than 64"));
  EXPECT_THAT(ebnf_error(nested(30000)), testing::HasSubstr("nested deeper"));
  EXPECT_THAT(ebnf_error("root ::= \"" + std::string(EbnfLimits::kBytes, 'a') + "\""),
              testing::HasSubstr("at most 65536 are taken"));
}

TEST(EbnfParser, PlacesCountLinesAndBytes) {
  EXPECT_EQ(ebnf_place("ab\ncd", 0), "line 1, column 1");
  EXPECT_EQ(ebnf_place("ab\ncd", 2), "line 1, column 3");
  EXPECT_EQ(ebnf_place("ab\ncd", 3), "line 2, column 1");
  EXPECT_EQ(ebnf_place("ab\ncd", 5), "line 2, column 3");
}

}  // namespace
}  // namespace ingot
