#include "text/grammar/ebnf_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

std::string checked_rules(const std::string& text, size_t max_bytes = size_t{1} << 20) {
  EbnfWriter writer(max_bytes);
  try {
    const std::string root = ebnf_rules_element(text, writer);
    return writer.text() + "= " + root;
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + " " + error.what();
  }
}

TEST(EbnfCheck, WritesWhatRootNeeds) {
  EXPECT_EQ(
      checked_rules("other ::= \"z\"\nroot ::= b{2,3} | (\"a\" | [x\\n])? \"\"\nb ::= \"é\" b?"),
      "rule_0 ::= (rule_1){2,3} | (\"a\" | [\\u000ax])? \"\"\n"
      "rule_1 ::= \"\\u00e9\" (rule_1)?\n= rule_0");
  EXPECT_THAT(checked_rules("root ::= \"aaaaaaaaaaaaaaaa\"", 10), testing::HasSubstr("too large"));
}

TEST(EbnfCheck, RefusesWhatNeverEndsOrMeansItself) {
  using testing::HasSubstr;
  EXPECT_THAT(checked_rules("root ::= a\na ::= \"x\" a"),
              HasSubstr("invalid_argument [text/grammar] line 1, column 1: the rule 'root' has no "
                        "text of finite length"));
  EXPECT_THAT(checked_rules("root ::= \"x\" | a\na ::= a \"x\""),
              HasSubstr("line 2, column 1: the rule 'a' has no text of finite length"));
  for (const char* loop :
       {"root ::= root | \"x\"", "root ::= a | \"x\"\na ::= (root)",
        "root ::= \"\" root \"y\"? | \"x\"", "root ::= a root | \"x\"\na ::= \"y\" | \"\"",
        "root ::= root root | \"\"", "root ::= (root | \"y\"){1,3} | \"x\"",
        "root ::= a{0,3} | \"x\"\na ::= b\nb ::= root"}) {
    EXPECT_THAT(checked_rules(loop),
                testing::AnyOf(HasSubstr("means itself, without a text between"),
                               HasSubstr("what is repeated may be empty")))
        << loop;
  }
  for (const char* empty : {"root ::= (\"a\"?)*", "root ::= \"\"+", "root ::= (\"a\" | ){2,}",
                            "root ::= a{3}\na ::= b b\nb ::= \"\" | \"x\""}) {
    EXPECT_THAT(checked_rules(empty), HasSubstr("what is repeated may be empty")) << empty;
  }
  for (const char* good : {"root ::= root \"x\" | \"x\"", "root ::= root root | \"x\"",
                           "root ::= (\"a\"?)?", "root ::= \"(\" root \")\" | \"\""}) {
    EXPECT_THAT(checked_rules(good), HasSubstr("= rule_0")) << good;
  }
}

// Repetitions count as if written out, elements that may be left out by each other.
TEST(EbnfCheck, SizesWrittenOutAreBounded) {
  const auto repeated = [](const std::string& element, int times) {
    std::string out = "root ::=";
    for (int i = 0; i < times; ++i) out += " " + element;
    return out;
  };
  EXPECT_THAT(checked_rules(repeated("\"a\"?", 1000)), testing::HasSubstr("= rule_0"));
  EXPECT_THAT(checked_rules(repeated("\"a\"?", 3000)),
              testing::HasSubstr("unsupported [text/grammar] line 1, column 1: the rules are too "
                                 "large with the rule 'root'"));
  EXPECT_THAT(checked_rules("root ::= ((\"ab\"{100} \"c\"){100} \"d\"){100}"),
              testing::HasSubstr("too large"));
  EXPECT_THAT(checked_rules("root ::= \"a\"{1000}"), testing::HasSubstr("= rule_0"));
  EXPECT_THAT(checked_rules("root ::= [a-z]{0,10000}"), testing::HasSubstr("= rule_0"));
}

}  // namespace
}  // namespace ingot
