#include "base/printable.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Printable, TextStays) {
  const std::string text = "a é 日本 😀 \xc2\xa0 ~";
  EXPECT_EQ(printable(text), text);
  EXPECT_EQ(without_controls(text), text);
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, ControlsAreEscaped) {
  EXPECT_EQ(printable("\x1b[31mred\x1b]0;title\x07\r\n\t\x7f"),
            R"(\x1b[31mred\x1b]0;title\x07\x0d\x0a\x09\x7f)");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "31m\xc2\x80\xc2\x9f!"),
            R"(a\xc2\x9b31m\xc2\x80\xc2\x9f!)")
      << "C1: some terminals take U+009B for ESC [";
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), R"(a\x00b)");
  EXPECT_EQ(printable("a\n\tb\r", "\n\t"), "a\n\tb\\x0d");
}

TEST(Printable, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(printable("caf\xe9 \x9b!"), R"(caf\xe9 \x9b!)");
  EXPECT_EQ(printable("\xe0\x82\x9b|\xc1\xbf|\xed\xa0\x80|\xf4\x90\x80\x80|\xff|\xc3"),
            R"(\xe0\x82\x9b|\xc1\xbf|\xed\xa0\x80|\xf4\x90\x80\x80|\xff|\xc3)");
}

TEST(Printable, TheStartEndsWithAWholeCharacter) {
  EXPECT_EQ(printable_start("日本", 6), "日本");
  EXPECT_EQ(printable_start("日本", 5), "日");
  EXPECT_EQ(printable_start("a\x1b", 5), R"(a\x1b)");
  EXPECT_EQ(printable_start("a\x1b", 4), "a");
}

TEST(Printable, AnAnswerLosesThem) {
  EXPECT_EQ(without_controls("a\tb\r\nc\x1b[31m\xc2\x9b\xff."), "a\tb\nc[31m.");
}

TEST(Printable, LengthsOfCharacters) {
  for (const auto& [text, length] : {std::pair("a", 1),
                                     {"é", 2},
                                     {"日x", 3},
                                     {"😀", 4},
                                     {"\x80", 0},
                                     {"\xc3", 0},
                                     {"\xe6\x97", 0},
                                     {"", 0}}) {
    EXPECT_EQ(utf8_length(text), static_cast<size_t>(length)) << printable(text);
  }
}

}  // namespace
}  // namespace ingot
