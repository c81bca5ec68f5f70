#include "text/schema_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

std::string refusal_of(const std::string& schema) {
  try {
    check_schema(schema);
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
  std::string deep = "{}";
  for (int i = 0; i < 200; ++i) deep = "{\"not\":" + deep + "}";
  EXPECT_NE(refusal_of(deep), "");
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
