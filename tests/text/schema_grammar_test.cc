#include "text/grammar/schema_grammar.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/text/test_vocabularies.h"
#include "text/grammar.h"

namespace ingot {
namespace {

constexpr int32_t kMembersEnd = 261;  // of byte_level_tokenizer()

// {"a": "text", …} as {"text": ["a", …], …}.
Json by_kind(const Json& values) {
  Json out = Json::object();
  for (const auto& [name, kind] : values.items()) out[kind.get<std::string>()].push_back(name);
  return out;
}

GrammarSource members_source(const std::string& schema, const std::string& values,
                             const std::string& others, const std::string& separator) {
  const Json members = {{"begin", "<"},
                        {"middle", ">"},
                        {"end", "</>"},
                        {"separator", separator},
                        {"names", "[^<>]+"},
                        {"no_text", "[\\s\\S]*</>[\\s\\S]*"},
                        {"no_either", "[0-9]+|[\"\\[{][\\s\\S]*|null"},
                        {"values", by_kind(Json::parse(values))},
                        {"others", others}};
  const Json calls = {
      {"structures",
       {{{"begin", "("}, {"end", ")"}, {"schema", Json::parse(schema)}, {"members", members}}}},
      {"most", 1}};
  return {GrammarKind::kCalls, calls.dump()};
}

bool takes_members(const GrammarSource& source, std::string_view text) {
  static const auto vocabulary = GrammarVocabulary::create(*byte_level_tokenizer(), {kMembersEnd});
  GrammarMatcher matcher(Grammar::compile(vocabulary, source));
  for (const char c : text) {
    if (matcher.accept(static_cast<unsigned char>(c)) != GrammarMatcher::Result::kOk) return false;
  }
  return matcher.can_end();
}

TEST(SchemaGrammar, MembersThatAreNotJson) {
  const GrammarSource source = members_source(
      R"({"type": "object", "properties": {"t": {"type": "string"}, "n": {"type": "integer"},
          "e": {"type": ["string", "integer", "null"]}}, "required": ["t"],
          "additionalProperties": false})",
      R"({"t": "text", "e": "either"})", "json", "");
  for (const char* good : {"(<t></>)", "(<t>a \"b\"\nc</b></>)", "(<t>1</><n>-7</>)",
                           "(<t>x</><e>x</>)", "(<t>x</><e>12</>)", "(<t>x</><e>\"12\"</>)",
                           "(<t>x</><e>null</>)", "(<t>x</><e>12a</>)"}) {
    EXPECT_TRUE(takes_members(source, good)) << good;
  }
  for (const char* bad : {"()", "(<n>1</>)", "(<n>1</><t>x</>)", "(<t>x</><t>x</>)",
                          "(<t>a</>b</>)", "(<t>x</><n>x</>)", "(<t>x</><e>\"x</>)",
                          "(<t>x</><e>{}</>)", "(<t>x</>,<n>1</>)", "({\"t\": \"x\"})"}) {
    EXPECT_FALSE(takes_members(source, bad)) << bad;
  }
  const GrammarSource listed = members_source(
      R"({"type": "object", "properties": {"a": {"type": "integer"}}, "minProperties": 1,
          "additionalProperties": {"type": "boolean"}})",
      "{}", "json", ", ");
  EXPECT_TRUE(takes_members(listed, "(<a>1</>, <b>true</>)"));
  EXPECT_TRUE(takes_members(listed, "(<b>true</>, <c>false</>, <d>true</>)"));
  EXPECT_TRUE(takes_members(listed, "(<a>1</>)"));
  EXPECT_FALSE(takes_members(listed, "()"));
  EXPECT_FALSE(takes_members(listed, "(<a>1</><b>true</>)"));
  EXPECT_FALSE(takes_members(listed, "(<b>true</>, <a>1</>)"));
  EXPECT_FALSE(takes_members(listed, "(<b>true</>, <c d>>true</>)"));
}

TEST(SchemaGrammar, ObjectsOfALimitedKind) {
  const GrammarSource stated = members_source(
      R"({"anyOf": [{"enum": [{"t": "x", "n": {"k": [1]}}, {"t": "</>"}, 7]}, {"type": "string"},
          {"type": "object", "maxProperties": 0}]})",
      R"({"t": "text"})", "json", "");
  EXPECT_TRUE(takes_members(stated, "(<t>x</><n>{\"k\": [1]}</>)"));
  EXPECT_TRUE(takes_members(stated, "()"));
  for (const char* bad : {"(<t></></>)", "(7)", "(\"\")", "(<t>x</>)"}) {
    EXPECT_FALSE(takes_members(stated, bad)) << bad;
  }
}

TEST(SchemaGrammar, WhatCannotBeSpelledIsRefused) {
  for (const char* schema :
       {R"({"type": "string"})", R"({"type": "object", "required": ["a<"]})",
        R"({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})",
        R"({"enum": [{"a": 1}, "x"]})",
        R"({"type": "object", "properties": {"a": {"enum": ["</>"]}}, "required": ["a"]})"}) {
    try {
      grammar_rules(members_source(schema, R"({"a": "text"})", "text", ""));
      ADD_FAILURE() << schema;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << schema;
      EXPECT_THAT(error.what(), testing::HasSubstr("form of calls has no such arguments"));
    }
  }
  Json source = Json::parse(members_source("{}", "{}", "text", "").text);
  source["structures"][0]["members"]["values"] = 1;
  EXPECT_THROW(grammar_rules({GrammarKind::kCalls, source.dump()}), Error);
  source["structures"][0]["members"].erase("values");
  source["structures"][0]["members"]["others"] = "words";
  try {
    grammar_rules({GrammarKind::kCalls, source.dump()});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("structures.0.members.others: expected json, text or either"));
  }
}

}  // namespace
}  // namespace ingot
