#include "text/base64.h"

#include <gtest/gtest.h>

namespace ingot {
namespace base64_test {

// The vectors of RFC 4648.
TEST(Base64, BothWays) {
  const std::pair<const char*, const char*> kPairs[] = {{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kPairs) {
    EXPECT_EQ(encode_base64(bytes), text);
    std::string back;
    ASSERT_TRUE(decode_base64(text, back));
    EXPECT_EQ(back, bytes);
  }
  std::string all, back;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  ASSERT_TRUE(decode_base64(encode_base64(all), back));
  EXPECT_EQ(back, all);
}

TEST(Base64, OtherTextIsRefused) {
  std::string bytes;
  for (const char* text : {"Z", "Zg=", "Zm9v=", "Zm9*", "Zm 9"}) {
    EXPECT_FALSE(decode_base64(text, bytes)) << text;
  }
  EXPECT_TRUE(decode_base64("Zg", bytes)) << "padding may be left out";
  EXPECT_EQ(bytes, "f");
}

}  // namespace base64_test
}  // namespace ingot
