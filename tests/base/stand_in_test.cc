#include "base/stand_in.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string described(std::string_view text) { return describe_stand_in(bytes_of(text)); }

constexpr std::string_view kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n";

TEST(StandInTest, SaysWhatItIsAndWhatHelps) {
  EXPECT_EQ(described(kPointer),
            "a Git LFS pointer of 65 bytes in place of the file ('git lfs pull' in its folder "
            "fetches the file)");
  for (const char* page : {"<!DOCTYPE html>\n<html>", "<html lang=\"en\">",
                           "\xef\xbb\xbf \r\n<HTML>", "<?xml version=\"1.0\"?><Error>"}) {
    EXPECT_TRUE(described(page).starts_with("a web page (HTML or XML) of ")) << page;
    EXPECT_NE(described(page).find("download the file again"), std::string::npos) << page;
  }
}

TEST(StandInTest, OtherFilesAreLeftToTheirReaders) {
  for (const char* text :
       {"", " \n", "GGUF", "{\"a\": 1}", "<htm", "<unk>", "version 1", "\xef\xbb"}) {
    EXPECT_EQ(described(text), "") << text;
    EXPECT_NO_THROW(refuse_stand_in(bytes_of(text), "room", "x", "a file")) << text;
  }
}

TEST(StandInTest, TheErrorNamesFileAndExpected) {
  try {
    refuse_stand_in(bytes_of(kPointer), "room", "x.onnx", "an ONNX file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_TRUE(std::string(error.what())
                    .starts_with("[room] x.onnx: expected an ONNX file, found a Git LFS pointer"))
        << error.what();
  }
}

}  // namespace
}  // namespace ingot
