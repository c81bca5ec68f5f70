#include "base/json.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace ingot {
namespace {

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCorrupt) << e.what();
    return e.what();
  }
  return "no error";
}

Json parse(std::string_view text) { return parse_json(text, "tests/json", "c.json"); }

TEST(Json, KeepsTheOrderOfKeys) { EXPECT_EQ(parse(R"({"b":1,"a":2})").begin().key(), "b"); }

TEST(Json, ReadsTypedFields) {
  const Json j = parse(R"({"i": 7, "d": 1.5, "s": "x", "b": true, "l": [1, 2], "n": null})");
  EXPECT_EQ(json_require<int64_t>(j, "i", "w", "f"), 7);
  EXPECT_EQ(json_require<double>(j, "i", "w", "f"), 7.0);  // an integer is a number
  EXPECT_EQ(json_require<double>(j, "d", "w", "f"), 1.5);
  EXPECT_EQ(json_require<std::string>(j, "s", "w", "f"), "x");
  EXPECT_TRUE(json_require<bool>(j, "b", "w", "f"));
  EXPECT_EQ(json_require<std::vector<int64_t>>(j, "l", "w", "f"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(json_get<int64_t>(j, "n", 5, "w", "f"), 5);  // null means absent
  EXPECT_EQ(json_get<int64_t>(j, "missing", 6, "w", "f"), 6);
}

TEST(Json, ErrorsNameFileKeyExpectedAndFound) {
  const Json j = parse(R"({"i": "seven", "big": 18446744073709551615, "l": [1, "x"]})");
  EXPECT_EQ(message_of([&] { json_require<int64_t>(j, "i", "w", "f.json"); }),
            "[w] f.json: 'i': expected an integer, found string");
  EXPECT_EQ(message_of([&] { json_require<int64_t>(j, "hidden", "w", "f.json"); }),
            "[w] f.json: 'hidden' is missing");
  EXPECT_NE(message_of([&] { json_require<int64_t>(j, "big", "w", "f"); }), "no error");
  EXPECT_EQ(message_of([&] { json_require<std::vector<int64_t>>(j, "l", "w", "f"); }),
            "[w] f: 'l': expected a list of integers, found a list that holds string");
  EXPECT_EQ(message_of([&] { json_require<std::vector<std::string>>(j, "l", "w", "f"); }),
            "[w] f: 'l': expected a list of strings, found a list that holds number");
  EXPECT_EQ(message_of([&] { json_require<std::vector<double>>(j, "i", "w", "f"); }),
            "[w] f: 'i': expected a list of numbers, found string");
  EXPECT_NE(message_of([&] { json_require<int64_t>(parse("[1]"), "i", "w", "f"); }), "no error");
  // A fallback stands in for a missing key, not for a wrong type.
  EXPECT_NE(message_of([&] { json_get<int64_t>(j, "i", 1, "w", "f"); }), "no error");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (std::string_view bad :
       {"", "{", "[1,]", "{\"a\":}", "nul", "\"\xff\"", "1 2", "01", "\xff"}) {
    EXPECT_NE(message_of([&] { parse(bad); }), "no error") << bad;
  }
  EXPECT_NE(message_of([&] { parse("[1, }"); }).find("byte 5"), std::string::npos);
}

TEST(Json, NestingIsCapped) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_EQ(message_of([&] { parse(nested(100)); }), "no error");
  EXPECT_NE(message_of([&] { parse(nested(200)); }).find("deeper than 128"), std::string::npos);
  EXPECT_NE(message_of([&] { parse(std::string(1'000'000, '[')); }), "no error");
}

// In time linear in the list: a callback that sees values would make it the square.
TEST(Json, LongListsOfObjects) {
  std::string text = "[";
  for (int i = 0; i < 300'000; ++i) text += "{},";
  const Json list = parse_json(text + "{}]", "test", "file");
  EXPECT_EQ(list.size(), 300'001u);
}

}  // namespace
}  // namespace ingot
