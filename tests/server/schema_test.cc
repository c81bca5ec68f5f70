#include "server/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api_error.h"
#include "server/route.h"

namespace ingot {
namespace {

const Schema& example() {
  static const Schema schema = {
      "Example",
      joined_fields(
          {{{.name = "count", .kinds = kIntegerField, .min = 1, .max = 4},
            {.name = "rate", .kinds = kNumberField, .min = 0, .max = 2},
            {.name = "share", .kinds = kNumberField, .min = 0, .max = 1, .above_min = true},
            {.name = "text", .kinds = kTextField | kListField, .max = 3},
            {.name = "kind", .kinds = kTextField, .one_of = {"a", "b"}},
            {.name = "list",
             .kinds = kListField,
             .max = 2,
             .fields = {{.name = "x", .kinds = kBoolField, .required = true}}},
            {.name = "open", .kinds = kObjectField, .open = true},
            {.name = "refused", .use = FieldUse::kRefused, .neutral = 1}},
           ignored_fields()})};
  return schema;
}

// The field at fault, and "" for a body that is taken.
std::string fault(const std::string& body) {
  try {
    check_body(parse_body(body), example());
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    EXPECT_THAT(error.message, testing::HasSubstr(error.param));
    return error.param;
  }
  return "";
}

TEST(Schema, Kinds) {
  EXPECT_EQ(fault(R"({"count": 1, "rate": 1, "text": "abc", "kind": "a", "open": {"z": [1]}})"),
            "");
  EXPECT_EQ(fault(R"({"count": 2.0})"), "");
  EXPECT_EQ(fault(R"({"count": null, "kind": null})"), "");
  EXPECT_EQ(fault(R"({"count": 1.5})"), "count");
  EXPECT_EQ(fault(R"({"count": "1"})"), "count");
  EXPECT_EQ(fault(R"({"count": true})"), "count");
  EXPECT_EQ(fault(R"({"rate": "x"})"), "rate");
  EXPECT_EQ(fault(R"({"text": 1})"), "text");
  EXPECT_EQ(fault(R"({"open": []})"), "open");
}

TEST(Schema, Bounds) {
  EXPECT_EQ(fault(R"({"count": 0})"), "count");
  EXPECT_EQ(fault(R"({"count": 5})"), "count");
  EXPECT_EQ(fault(R"({"count": 9223372036854775807})"), "count");
  EXPECT_EQ(fault(R"({"count": -1e308})"), "count");
  EXPECT_EQ(fault(R"({"rate": 2.1})"), "rate");
  EXPECT_EQ(fault(R"({"share": 0})"), "share");
  EXPECT_EQ(fault(R"({"share": 1e-300})"), "");
  const Json share = json_schema_of(example())["properties"]["share"]["anyOf"][0];
  EXPECT_EQ(share["exclusiveMinimum"], 0);
  EXPECT_FALSE(share.contains("minimum"));
  EXPECT_EQ(share["maximum"], 1);
  EXPECT_EQ(fault(R"({"text": "abcd"})"), "text");
  EXPECT_EQ(fault(R"({"text": [1, 2, 3, 4]})"), "text");
  EXPECT_EQ(fault(R"({"kind": "c"})"), "kind");
}

TEST(Schema, ListsOfObjects) {
  EXPECT_EQ(fault(R"({"list": [{"x": true}]})"), "");
  EXPECT_EQ(fault(R"({"list": [{"x": true}, {}]})"), "list[1].x");
  EXPECT_EQ(fault(R"({"list": [{"x": true, "y": 1}]})"), "list[0].y");
  EXPECT_EQ(fault(R"({"list": [1]})"), "list[0]");
}

TEST(Schema, Uses) {
  EXPECT_EQ(fault(R"({"refused": 1})"), "");
  EXPECT_EQ(fault(R"({"refused": 2})"), "refused");
  EXPECT_EQ(fault(R"({"unknown": 2})"), "unknown");
  EXPECT_THAT(check_body(parse_body(R"({"user": 1, "store": true})"), example()),
              testing::ElementsAre("user", "store"));
}

TEST(Schema, BodiesThatAreNoJson) {
  const auto message = [](const std::string& body) {
    try {
      parse_body(body);
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      return error.message;
    }
    return std::string();
  };
  using testing::HasSubstr;
  EXPECT_EQ(message(""), "the body is empty: expected JSON");
  EXPECT_EQ(message("{"), "the body is not JSON: byte 2 is not what may stand there");
  EXPECT_THAT(message("{\"a\": 1,}"), HasSubstr("byte"));
  EXPECT_THAT(message("{} {}"), HasSubstr("not JSON"));
  EXPECT_THAT(message("{\"a\": \"\\ud800\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(message("{\"a\": \"\xff\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(message("{\"a\": NaN}"), HasSubstr("not JSON"));
  EXPECT_THAT(message("{\"a\": 1e999}"), HasSubstr("not JSON"));
  EXPECT_THAT(message("{\"a\": {\"b\": 1, \"b\": 2}}"), HasSubstr("twice"));
  EXPECT_THAT(message(std::string(100000, '[')), HasSubstr("deeper"));
  EXPECT_EQ(message("{\"a\": {\"b\": 1}, \"b\": {\"b\": 1}}"), "");
  std::string values = "{\"a\": [1";
  for (int i = 0; i < (1 << 20); ++i) values += ",1";
  EXPECT_THAT(message(values + "]}"), HasSubstr("1048576 values"));
}

TEST(Schema, ObjectsOfTooManyKeysAreNamedAndCounted) {
  const auto object = [](int keys, const std::string& first = "1") {
    std::string out = "{";
    for (int i = 0; i < keys; ++i)
      out += fmt::format("{}\"{}\": {}", i == 0 ? "" : ", ", i, i == 0 ? first : "1");
    return out + "}";
  };
  const auto fault = [](const std::string& body) {
    try {
      parse_body(body);
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      return error.param + "|" + error.message;
    }
    return std::string();
  };
  EXPECT_EQ(fault(object(2048)), "");
  EXPECT_EQ(fault("{\"a\": [1, " + object(2048) + ", " + object(2048) + "]}"), "");
  EXPECT_EQ(fault(object(2049)), "|the body: expected at most 2048 keys, found 2049");
  EXPECT_EQ(fault("{\"a\": 1, \"logit_bias\": " + object(3000) + "}"),
            "logit_bias|'logit_bias': expected at most 2048 keys, found 3000");
  EXPECT_EQ(fault("{\"a\": [[1], {\"b\": {\"c\": " + object(2049) + "}}], \"d\": 1}"),
            "a[1].b.c|'a[1].b.c': expected at most 2048 keys, found 2049");
  EXPECT_EQ(fault("{\"a\": " + object(2100, object(2050)) + "}"),
            "a.0|'a.0': expected at most 2048 keys, found 2050");
}

// Every field of every endpoint, with values outside its table: a 400 that names it.
TEST(Schema, EveryFieldOfEveryEndpointIsChecked) {
  int cases = 0;
  for (const RouteDef* route : server_route_list()) {
    if (route->body == nullptr) continue;
    for (const Field& field : route->body().fields) {
      if (field.use == FieldUse::kIgnored) continue;
      std::vector<Json> wrong = {{{"no_such", 1}}, "no such text", 1e300,
                                 -1e300,           true,           Json::array({Json::array()})};
      for (const Json& value : wrong) {
        Json body = {{std::string(field.name), value}};
        for (const Field& other : route->body().fields) {
          if (!other.required || other.name == field.name) continue;
          body[std::string(other.name)] =
              other.name == "messages" ? Json::array({{{"role", "user"}}})
                                       : Json(other.kinds & kTextField ? Json("a") : Json::array());
        }
        std::string param = "(taken)";
        try {
          check_body(body, route->body());
        } catch (const ApiError& error) {
          param = error.param;
        }
        // What a field takes, it takes.
        if (param == "(taken)") continue;
        EXPECT_TRUE(param.starts_with(field.name)) << route->name << " " << body << " " << param;
        ++cases;
      }
    }
  }
  EXPECT_GT(cases, 200);
}

TEST(Schema, AsJsonSchema) {
  const Json schema = json_schema_of(example());
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_FALSE(schema["properties"].contains("refused"));
  EXPECT_EQ(schema["properties"]["count"]["anyOf"][0],
            (Json{{"type", "integer"}, {"minimum", 1.0}, {"maximum", 4.0}}));
  EXPECT_EQ(schema["properties"]["kind"]["anyOf"][0]["enum"], Json::array({"a", "b"}));
}

}  // namespace
}  // namespace ingot
