#include "server/tool_values.h"

#include <gtest/gtest.h>

#include "text/grammar/regex_parser.h"
#include "text/grammar/text_automaton.h"

namespace ingot {
namespace {

ValueKind kind_in(const char* schema) {
  const Json parameters = {
      {"properties", {{"a", Json::parse(schema)}}},
      {"$defs", {{"S", {{"type", "string"}}}, {"L", {{"$ref", "#/$defs/L"}}}}}};
  return value_kind(&parameters, "a");
}

TEST(ToolValues, TheSchemaTellsTextFromJson) {
  for (const char* schema :
       {R"({"type": "string"})", R"({"enum": ["x", "y"]})", R"({"const": "x"})",
        R"({"type": ["string"]})", R"({"$ref": "#/$defs/S"})",
        R"({"allOf": [{"type": ["string", "null"]}, {"$ref": "#/$defs/S"}]})",
        R"({"anyOf": [{"type": "string"}, {"const": "x"}]})"}) {
    EXPECT_EQ(kind_in(schema), ValueKind::kText) << schema;
  }
  for (const char* schema : {R"({"type": "integer"})", R"({"type": ["array", "null"]})",
                             R"({"enum": [1, null]})", R"({"type": "object"})"}) {
    EXPECT_EQ(kind_in(schema), ValueKind::kJson) << schema;
  }
  for (const char* schema :
       {"{}", "true", R"({"type": ["string", "null"]})", R"({"enum": ["x", 1]})",
        R"({"oneOf": [{"type": "string"}, {"type": "integer"}]})", R"({"$ref": "#/$defs/L"})",
        R"({"$ref": "#/$defs/none"})", R"({"$ref": "#x/~2"})", R"({"anyOf": [true, {}]})"}) {
    EXPECT_EQ(kind_in(schema), ValueKind::kEither) << schema;
  }
}

TEST(ToolValues, ArgumentsThatAreNotNamed) {
  const auto other = [](const char* schema) {
    const Json parameters = Json::parse(schema);
    EXPECT_TRUE(value_kinds(&parameters).names.empty());
    return value_kind(&parameters, "b");
  };
  EXPECT_EQ(value_kind(nullptr, "b"), ValueKind::kText);
  EXPECT_EQ(other("{}"), ValueKind::kText);
  EXPECT_EQ(other(R"({"additionalProperties": true})"), ValueKind::kText);
  EXPECT_EQ(other(R"({"additionalProperties": {"type": "integer"}})"), ValueKind::kJson);
  EXPECT_EQ(other(R"({"patternProperties": {"^a": {}}})"), ValueKind::kEither);
  EXPECT_EQ(other(R"({"enum": [{"b": 1}]})"), ValueKind::kEither);
}

TEST(ToolValues, KindsOfAllAreThoseOfEach) {
  const Json parameters = Json::parse(R"({"$ref": "#/$defs/P", "allOf": [{"properties":
      {"c": {"type": "integer"}, "a": {}}}], "$defs": {"P": {"properties": {"a": {"type": "string"},
      "b": {"type": ["string", "null"]}}, "additionalProperties": {"type": "number"}}}})");
  const ValueKinds kinds = value_kinds(&parameters);
  const std::vector<std::pair<std::string, ValueKind>> expected = {
      {"a", ValueKind::kText}, {"b", ValueKind::kEither}, {"c", ValueKind::kJson}};
  EXPECT_EQ(kinds.names, expected);
  EXPECT_EQ(kinds.others, ValueKind::kJson);
  EXPECT_EQ(value_kind(&parameters, "a"), ValueKind::kText);
  EXPECT_EQ(value_kind(&parameters, "b"), ValueKind::kEither);
  EXPECT_EQ(value_kind(&parameters, "c"), ValueKind::kJson);
  EXPECT_EQ(value_kind(&parameters, "d"), ValueKind::kJson);
}

// 120,000: looked for one by one they would take minutes.
TEST(ToolValues, ManyNamesAreKept) {
  Json parameters = {{"allOf", Json::array()}};
  constexpr int kParts = 40, kNames = 3000;
  for (int part = 0; part < kParts; ++part) {
    Json::object_t properties;
    auto& list = static_cast<std::vector<std::pair<const std::string, Json>>&>(properties);
    for (int i = 0; i < kNames; ++i) {
      list.emplace_back(fmt::format("{}_{}", part, i), Json::object());
    }
    parameters["allOf"].push_back({{"properties", std::move(properties)}});
  }
  EXPECT_EQ(value_kinds(&parameters).names.size(), size_t{kParts} * kNames);
}

// Parts that refer to each other twice would be 2^64 to look at one by one.
TEST(ToolValues, EachPartIsLookedAtOnce) {
  Json parameters = {{"$ref", "#/$defs/p0"}, {"$defs", Json::object()}};
  for (int i = 0; i < 64; ++i) {
    const Json next = {{"$ref", "#/$defs/p" + std::to_string(i + 1)}};
    parameters["$defs"]["p" + std::to_string(i)] = {{"anyOf", Json::array({next, next})}};
  }
  parameters["$defs"]["p64"] = {{"properties", {{"a", {{"$ref", "#/$defs/p1"}}}}}};
  EXPECT_EQ(value_kind(&parameters, "a"), ValueKind::kEither);
  EXPECT_EQ(value_kind(&parameters, "b"), ValueKind::kText);
}

TEST(ToolValues, AsJson) {
  EXPECT_EQ(value_json(ValueKind::kText, " 1\n\""), R"(" 1\n\"")");
  for (const ValueKind kind : {ValueKind::kJson, ValueKind::kEither}) {
    EXPECT_EQ(value_json(kind, " 1\n"), "1");
    EXPECT_EQ(value_json(kind, "{\"a\": [1]}"), "{\"a\": [1]}");
    EXPECT_EQ(value_json(kind, "\"1\""), "\"1\"");
    EXPECT_EQ(value_json(kind, "True"), "true");
    EXPECT_EQ(value_json(kind, "None"), "null");
    EXPECT_EQ(value_json(kind, "{'a': (1,)}"), "{\"a\": [1]}");
    EXPECT_EQ(value_json(kind, "{'a': f}"), "\"{'a': f}\"");
    EXPECT_EQ(value_json(kind, "2026-11-30"), "\"2026-11-30\"");
    EXPECT_EQ(value_json(kind, "'x'"), "\"'x'\"");
    EXPECT_EQ(value_json(kind, ""), "\"\"");
  }
}

// What a grammar lets stand as a text is read as that text.
TEST(ToolValues, TextsThatAreReadAsJsonAreKnown) {
  const auto json = TextAutomaton::of_regex(kReadAsJson, RegexUse::kWhole);
  for (const char* text :
       {"1",   "-1.5e+3", " 1 ", "true",  "None\n", "\"x\"",      "{}",  "[",   "",
        " ",   "x",       "tru", "1.",    "01",     "2026-11-30", "'x'", "+1",  "-",
        "nul", "Nones",   "e5",  "\n[1]", "true x", "-0",         "1e5", "1E-2"}) {
    const bool as_text = value_json(ValueKind::kEither, text) == "\"" + json_escaped(text) + "\"";
    if (!as_text) EXPECT_TRUE(json.has(text)) << text;
    if (!json.has(text)) EXPECT_TRUE(as_text) << text;
  }
  EXPECT_FALSE(json.has("2026-11-30"));
}

}  // namespace
}  // namespace ingot
