#include "base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace ingot {
namespace {

TEST(Error, MessageOpensWithTheComplainer) {
  try {
    fail(ErrorCode::kCorrupt, "loaders/gguf", "{}: tensor '{}': needs {} bytes, file has {}",
         "a.gguf", "x", 512, 100);
    FAIL() << "fail() returned";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCorrupt);
    EXPECT_STREQ(e.what(), "[loaders/gguf] a.gguf: tensor 'x': needs 512 bytes, file has 100");
  }
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (ErrorCode code : {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kUnsupported,
                         ErrorCode::kCorrupt, ErrorCode::kIo, ErrorCode::kOutOfMemory,
                         ErrorCode::kCancelled, ErrorCode::kInternal}) {
    names.insert(error_code_name(code));
  }
  EXPECT_EQ(names.size(), 8u);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace ingot
