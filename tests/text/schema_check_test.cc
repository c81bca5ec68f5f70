#include "text/grammar/schema_check.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

std::string refusal_of(const std::string& schema, const SchemaLimits& limits = {}) {
  try {
    check_schema(schema, limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SchemaCheck, RefusesByPointerAndKeyword) {
  struct Case {
    const char* schema;
    const char* message;
  };
  const Case cases[] = {
      {R"({"properties": {"a/b": {"if": {}, "then": false}}})",
       "#/properties/a~1b/if: 'if' cannot be enforced"},
      {R"({"not": {"minimum": 3}})", "#/not: 'not' of anything but types cannot be enforced"},
      {R"({"items": {"contains": {}}})", "#/items/contains: 'contains' cannot be enforced"},
      {R"({"uniqueItems": true})", "#/uniqueItems: 'uniqueItems' cannot be enforced"},
      {R"({"dependentRequired": {}})", "#/dependentRequired: "},
      {R"({"dependentSchemas": {}})", "#/dependentSchemas: "},
      {R"({"dependencies": {}})", "#/dependencies: "},
      {R"({"$dynamicRef": "#a"})", "#/$dynamicRef: "},
      {R"({"allOf": [{"minimum": 1}], "unevaluatedProperties": false})",
       "#/unevaluatedProperties: 'unevaluatedProperties' beside 'allOf' cannot be enforced"},
      {R"({"oneOf": [{"type": "integer"}, {"minimum": 3}]})",
       "#: 'oneOf' whose schemas #/oneOf/0 and #/oneOf/1 may allow the same value"},
      {R"({"multipleOf": 0.01})", "#/multipleOf: only multiples of whole numbers"},
      {R"({"exclusiveMinimum": 123456789012345.678})", "too many digits"},
      {R"({"pattern": "(?=a)b"})", "#/pattern: a look-ahead at byte 2"},
      {R"({"pattern": "("})", "#/pattern: expected a regular expression"},
      {R"({"format": "colour"})", "#/format: the format 'colour' is not known"},
      {R"({"maxLength": 100000})", "#/maxLength: texts with so many states"},
      {R"({"properties": {"a": {"$ref": "other.json"}}})", "#/properties/a/$ref: only references"},
      {R"({"properties": {"a": {"$ref": "#/$defs/x"}}})",
       "#/properties/a/$ref: nothing is at '#/$defs/x'"},
      {R"({"items": {"$id": "http://x/y"}})", "#/items/$id: "},
      {R"({"$schema": "http://json-schema.org/draft-03/schema#"})", "#/$schema: an unknown draft"},
      {R"({"minProperties": 3})", "#: 'minProperties' above the number of required"},
      {R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})", "the schema means itself"},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 1,
           "items": {"$ref": "#/$defs/a"}}}})",
       "no value of finite length"},
      {R"(false)", "no value of finite length"},
      {R"({"type": "integer", "minimum": 2, "maximum": 1})", "no value of finite length"},
      {R"({"type": "float"})", "#/type: expected null, boolean"},
      {R"({"minLength": -1})", "#/minLength: expected a whole number"},
      {R"({"properties": []})", "#/properties: expected an object"},
      {R"({"required": [1]})", "#/required: expected names"},
      {R"({"anyOf": []})", "#/anyOf: expected schemas"},
      {R"({"items": 3})", "#/items: expected a schema"},
      {R"({"enum": [[1]], "minItems": 1})", "#/minItems: 'minItems' beside lists"},
      {R"({"patternProperties": {"(": {}}})", "#/patternProperties/(: expected a regular"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(refusal_of(c.schema), testing::HasSubstr(c.message)) << c.schema;
  }
}

TEST(SchemaCheck, SizesAreBounded) {
  SchemaLimits limits;
  limits.max_bytes = 20;
  EXPECT_THROW(check_schema(R"({"type": "object", "a": 1})", limits), Error);
  // 3^8 ways to choose.
  std::string all;
  for (int i = 0; i < 8; ++i) {
    all += std::string(i > 0 ? "," : "") +
           R"({"anyOf": [{"required": ["a"]}, {"required": ["b"]}, {"required": ["c"]}]})";
  }
  EXPECT_THAT(refusal_of("{\"allOf\": [" + all + "]}"), testing::HasSubstr("too large"));
  Json wide = {{"properties", Json::object()}};
  for (int i = 0; i < 300; ++i) wide["properties"]["p" + std::to_string(i)] = true;
  EXPECT_THAT(refusal_of(wide.dump()), testing::HasSubstr("more than 256 properties"));
  wide["required"] = Json::array();
  for (int i = 0; i < 300; ++i) wide["required"].push_back("p" + std::to_string(i));
  EXPECT_EQ(refusal_of(wide.dump()), "");
  // Pointers into long keys are short.
  Json keyed = {{"$defs", {{std::string(100000, 'k'), Json::array()}}}};
  for (int i = 0; i < 2000; ++i) keyed["$defs"].front().push_back(1);
  EXPECT_EQ(refusal_of(keyed.dump()), "");
  keyed["$ref"] = "#/$defs/" + std::string(100000, 'k') + "/7";
  const std::string message = refusal_of(keyed.dump());
  EXPECT_THAT(message, testing::HasSubstr("kkk.../7: expected a schema"));
  EXPECT_LT(message.size(), 400U);
  // References that lead to each other.
  Json chain = {{"$ref", "#/$defs/a0"}};
  for (int i = 0; i < 400; ++i) {
    chain["$defs"]["a" + std::to_string(i)] = {{"$ref", "#/$defs/a" + std::to_string(i + 1)}};
  }
  EXPECT_THAT(refusal_of(chain.dump()), testing::HasSubstr("more than 200 references in a row"));
  std::string deep = "{}";
  for (int i = 0; i < 200; ++i) deep = "{\"not\":" + deep + "}";
  EXPECT_NE(refusal_of(deep), "");
}

// Alternatives that only a look through all their members tells apart, or nothing does.
TEST(SchemaCheck, ExclusiveAlternativesAreToldApartInBounds) {
  // Definitions x0.. and y0..: each names the one before it three times.
  const auto schema = [&](const std::string& x, const std::string& y) {
    Json out = {{"oneOf", {{{"$ref", "#/$defs/x9"}}, {{"$ref", "#/$defs/y9"}}}}};
    for (const auto& [name, leaf] : {std::pair("x", x), std::pair("y", y)}) {
      out["$defs"][name + std::string("0")] = Json::parse(leaf);
      for (int i = 1; i < 10; ++i) {
        Json one = {{"type", "object"}, {"required", {"a", "b", "c"}}};
        for (const char* member : {"a", "b", "c"}) {
          one["properties"][member]["$ref"] = fmt::format("#/$defs/{}{}", name, i - 1);
        }
        out["$defs"][fmt::format("{}{}", name, i)] = one;
      }
    }
    return out.dump();
  };
  EXPECT_EQ(refusal_of(schema(R"({"const": 1})", R"({"const": 2})")), "");
  EXPECT_THAT(refusal_of(schema(R"({"minimum": 1})", R"({"minimum": 2})")),
              testing::HasSubstr("'oneOf' whose schemas"));
  // Each of many against each.
  Json many = {{"oneOf", Json::array()}};
  for (int i = 0; i < 12; ++i) {
    many["oneOf"].push_back({{"pattern", fmt::format("^a{{{}}}b", i % 11 + 1)}});
  }
  EXPECT_THAT(refusal_of(many.dump()), testing::HasSubstr("#: 'oneOf' whose schemas"));
  Json wide = {{"oneOf", Json::array()}};
  for (int i = 0; i < 60; ++i) wide["oneOf"].push_back({{"const", i}});
  EXPECT_EQ(refusal_of(wide.dump()), "");
  SchemaLimits limits;
  limits.max_exclusive_steps = 20000;
  EXPECT_THAT(refusal_of(wide.dump(), limits),
              testing::HasSubstr("#: 'oneOf' whose schemas are not told apart in 20000 steps"));
}

TEST(SchemaCheck, WhatHoldsTogetherIsOneNode) {
  const CheckedSchema schema = check_schema(R"({
    "allOf": [{"$ref": "#/$defs/a"}, {"maximum": 9, "properties": {"x": {"minimum": 1}}}],
    "$defs": {"a": {"type": ["integer", "object"], "minimum": 3,
                    "properties": {"x": {"type": "integer"}}, "required": ["x", "y"],
                    "additionalProperties": false, "title": "unknown", "nullable": true}}})");
  const SchemaNode& root = schema.nodes[static_cast<size_t>(schema.root)];
  EXPECT_EQ(root.types, kJsonInteger);  // no object: 'y' is required and not allowed
  EXPECT_EQ(root.number.least->value.text(), "3");
  EXPECT_EQ(root.number.most->value.text(), "9");
}

TEST(SchemaCheck, RecursionEnds) {
  const CheckedSchema schema = check_schema(R"({"$defs": {"tree": {
    "type": "object", "properties": {"left": {"$ref": "#/$defs/tree"},
    "right": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}}}}, "$ref": "#/$defs/tree"})");
  EXPECT_LT(schema.nodes.size(), 10U);
  EXPECT_TRUE(schema.nodes[static_cast<size_t>(schema.root)].possible);
}

}  // namespace
}  // namespace ingot
