#include "server/tool_parameters.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

std::string closed(const char* schema) { return closed_parameters(Json::parse(schema)).dump(); }

TEST(ToolParameters, ObjectsThatNamePropertiesHaveNoOthers) {
  EXPECT_EQ(closed(R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})"),
            R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],)"
            R"("additionalProperties":false})");
  EXPECT_EQ(closed(R"({"properties":{"a":{"items":{"properties":{"b":true}}}}})"),
            R"({"properties":{"a":{"items":{"properties":{"b":true},"additionalProperties":)"
            R"(false}}},"additionalProperties":false})");
  EXPECT_EQ(
      closed(R"({"$defs":{"N":{"properties":{"n":{"$ref":"#/$defs/N"}}}},"$ref":"#/$defs/N"})"),
      R"({"$defs":{"N":{"properties":{"n":{"$ref":"#/$defs/N"}},"additionalProperties":)"
      R"(false}},"$ref":"#/$defs/N"})");
  EXPECT_EQ(closed(R"({"anyOf":[{"properties":{"a":true}},{"type":"null"}]})"),
            R"({"anyOf":[{"properties":{"a":true},"additionalProperties":false},)"
            R"({"type":"null"}]})");
}

// A property, a definition or a value may be called as a keyword is.
TEST(ToolParameters, NamesAreNoKeywords) {
  for (const char* name : {"if", "not", "allOf", "oneOf", "dependencies", "$ref", "properties"}) {
    const Json named = {{name, {{"type", "string"}}}};
    const Json schema = {{"type", "object"}, {"properties", named}};
    Json expected = schema;
    expected["additionalProperties"] = false;
    EXPECT_EQ(closed_parameters(schema), expected) << name;
    Json inside = {{"properties", {{"a", schema}}}, {"$defs", named}};
    const Json inner = closed_parameters(inside);
    EXPECT_EQ(inner["properties"]["a"], expected) << name;
    EXPECT_EQ(inner["additionalProperties"], false) << name;
  }
  EXPECT_EQ(closed(R"({"properties":{"a":{"enum":[{"not":1}]}},"dependentRequired":{"if":["a"]}})"),
            R"({"properties":{"a":{"enum":[{"not":1}]}},"dependentRequired":{"if":["a"]},)"
            R"("additionalProperties":false})");
}

TEST(ToolParameters, OthersStayAsTheyAre) {
  for (const char* schema :
       {R"({"type":"object"})", R"({"type":"object","properties":{}})",
        R"({"properties":{"a":true},"additionalProperties":true})",
        R"({"properties":{"a":true},"additionalProperties":{"type":"string"}})",
        R"({"properties":{"a":true},"patternProperties":{"^x":true}})",
        R"({"properties":{"a":true},"required":["b"]})",
        R"({"properties":{"a":true},"minProperties":2})",
        R"({"properties":{"a":true},"anyOf":[{"required":["a"]},{"properties":{"b":true}}]})",
        R"({"properties":{"a":true},"const":{"b":1}})",
        // Closed, these would let nothing or too much through.
        R"({"allOf":[{"properties":{"a":true}},{"properties":{"b":true}}]})",
        R"({"oneOf":[{"properties":{"a":true}},{"properties":{"b":true}}]})",
        R"({"not":{"properties":{"a":true}}})",
        R"({"$ref":"#/$defs/A","required":["b"],"$defs":{"A":{"properties":{"a":true}}}})",
        R"(true)"}) {
    EXPECT_EQ(closed(schema), schema);
  }
}

}  // namespace
}  // namespace ingot
