#include "server/python_literal.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

std::string literal(std::string_view text) { return python_literal_json(text).value_or("none"); }

TEST(PythonLiteral, AsJson) {
  EXPECT_EQ(literal(" 'a' "), "\"a\"");
  EXPECT_EQ(literal(R"("it's \"so\"")"), R"("it's \"so\"")");
  EXPECT_EQ(literal(R"('a\n\t\\\'\x41\u00e9\101\/\q')"),
            "\"a\\n\\u0009\\\\'A\xc3\xa9"
            R"(A/\\q")");
  EXPECT_EQ(literal(R"('\ud83d\ude00\U0001f600')"), "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"");
  EXPECT_EQ(literal(R"('\ud83d')"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(literal("'''two\n'lines\\\n'''"), "\"two\\n'lines\"");
  EXPECT_EQ(literal("[1, -2.5e3, .5, 1., +7, True, False, None, true, false, null]"),
            "[1, -2.5e3, 0.5, 1.0, 7, true, false, null, true, false, null]");
  EXPECT_EQ(literal("{'a': [], \"b\": {}, 'c': (1, 2,),}"), R"({"a": [], "b": {}, "c": [1, 2]})");
  EXPECT_EQ(literal("[[1],]"), "[[1]]");
}

TEST(PythonLiteral, OthersAreNone) {
  for (const char* text : {"",    "'",     "'a",  "\"a\nb\"", "f(1)",          "x",       "1 2",
                           "[1",  "[1 2]", "[,]", "{1: 2}",   "{'a'}",         "{'a': }", "(1",
                           "007", "0x10",  "nan", "'\\x4'",   "'\\U00110000'", "'\\",     "]"}) {
    EXPECT_EQ(literal(text), "none") << text;
  }
  EXPECT_EQ(literal(std::string(60, '[') + std::string(60, ']')),
            std::string(60, '[') + std::string(60, ']'));
  EXPECT_EQ(literal(std::string(100000, '[')), "none");
}

}  // namespace
}  // namespace ingot
