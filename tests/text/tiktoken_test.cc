#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/base64.h"
#include "text/tokenizer_formats/tiktoken_file.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 256 bytes, then "ab", "bc", "abc".
std::string small_file() {
  std::string out;
  int rank = 0;
  for (int byte = 0; byte < 256; ++byte) {
    out += fmt::format("{} {}\n", base64(std::string(1, static_cast<char>(byte))), rank++);
  }
  for (const char* token : {"ab", "bc", "abc"})
    out += fmt::format("{} {}\n", base64(token), rank++);
  return out;
}

TEST(Tiktoken, MergesFollowTheRanks) {
  const auto t = load_file(small_file(), "qwen.tiktoken");
  EXPECT_EQ(t->kind_name(), "tiktoken");
  EXPECT_THAT(t->encode("abc bcab"), ElementsAre(258, ' ', 257, 256));
  EXPECT_THAT(t->encode("<|im_start|>a<|extra_204|>"), ElementsAre(260, 'a', 466));
  EXPECT_EQ(t->encode("<|im_start|>", {.parse_special = false}).size(), 12u);
  EXPECT_EQ(t->vocab_size(), 259 + 208);
  EXPECT_EQ(t->eos_id(), 259);
  EXPECT_EQ(t->decode(t->encode("\u4eba abc\n")), "\u4eba abc\n");
}

TEST(Tiktoken, Llama3UnderItsOwnName) {
  const auto t = load_file(small_file(), "tokenizer.model");
  EXPECT_EQ(t->kind_name(), "tiktoken");
  EXPECT_THAT(t->encode("a<|eot_id|>"), ElementsAre(259, 'a', 259 + 9));
  EXPECT_EQ(t->vocab_size(), 259 + 256);
}

TEST(Tiktoken, BrokenFilesNameTheLine) {
  const auto refusal = [](std::string_view bytes, const char* name = "qwen.tiktoken") {
    return error_text([&] { load_file(bytes, name); });
  };
  EXPECT_THAT(refusal("QQ== 0\nQQ 1x\n"), HasSubstr("qwen.tiktoken: line 2: expected a token"));
  EXPECT_THAT(refusal("QQ== 0\nQg== 0\n"), HasSubstr("one token of rank 0, found a second"));
  EXPECT_THAT(refusal("QQ== 900000000\n"), HasSubstr("expected a rank near 0, found 900000000"));
  EXPECT_THAT(refusal("Q!== 0\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("\n"), HasSubstr("expected tokens, found none"));
  EXPECT_THAT(refusal("QQ== 0\n", "mine.tiktoken"),
              HasSubstr("which splits and special tokens belong to 'mine.tiktoken' is not known"));
}

TEST(Base64, ThereAndNowhereElse) {
  std::string out;
  for (const std::string bytes : {"", "a", "ab", "abc", "\xFF\xFE\x00x", "abcd"}) {
    EXPECT_TRUE(decode_base64(base64(bytes), out));
    EXPECT_EQ(out, bytes);
  }
  EXPECT_TRUE(decode_base64("QQ", out));
  EXPECT_EQ(out, "A");
  for (const char* bad : {"Q", "QQ=", "Q===", "Q Q=", "QQ==QQ==", "\xC3\xA9"}) {
    EXPECT_FALSE(decode_base64(bad, out)) << bad;
  }
}

}  // namespace
}  // namespace ingot
