#include "text/utf8.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Utf8, ValidateGivesTheOffsetOfTheFirstBadByte) {
  EXPECT_EQ(validate_utf8(""), kUtf8Valid);
  EXPECT_EQ(validate_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), kUtf8Valid);
  EXPECT_EQ(validate_utf8("ab\xFF"), 2u);
  EXPECT_EQ(validate_utf8("a\xC0\x80"), 1u);         // overlong
  EXPECT_EQ(validate_utf8("abc\xED\xA0\x80"), 3u);   // surrogate
  EXPECT_EQ(validate_utf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(validate_utf8("abcd\xE2\x82"), 4u);      // cut short
}

TEST(Utf8, IncompleteTailIsWhatMayStillBecomeACharacter) {
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("abc"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\x80\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u);  // cannot become valid
  EXPECT_EQ(incomplete_utf8_tail("\xFF"), 0u);
}

TEST(Utf8, EveryMaximalIllFormedPartIsReplacedOnce) {
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82z"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(replace_invalid_utf8("\xFF\xFE"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Utf8, AppendAndDecodeAgreeOnEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Char back = decode_utf8(text, 0);
    ASSERT_TRUE(back.valid) << static_cast<uint32_t>(c);
    ASSERT_EQ(back.code, c);
    ASSERT_EQ(back.length, text.size());
  }
}

TEST(Utf8, Classes) {
  EXPECT_TRUE(is_unicode_letter('z'));
  EXPECT_TRUE(is_unicode_letter(0x4E2D));
  EXPECT_FALSE(is_unicode_letter('_'));
  EXPECT_TRUE(is_unicode_word('_'));
  EXPECT_TRUE(is_unicode_number(0x00B2));  // superscript two
  EXPECT_TRUE(is_unicode_space(0x3000));
  EXPECT_FALSE(is_unicode_space(0x200B));
}

}  // namespace
}  // namespace ingot
