#include "base/byte_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace ingot {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(ByteReader, ReadsLittleEndianFrontToBack) {
  const auto data = bytes_of({0x34, 0x12, 0xff, 'a', 'b', 'c', 7});
  ByteReader reader(data, "tests/x", "x.bin");
  EXPECT_EQ(reader.read<uint16_t>("magic"), 0x1234);
  EXPECT_EQ(reader.read<int8_t>("sign"), -1);
  EXPECT_EQ(reader.text(3, "name"), "abc");
  EXPECT_EQ(reader.offset(), 6u);
  EXPECT_EQ(reader.remaining(), 1u);
  reader.seek(0, "start");
  EXPECT_EQ(reader.bytes(7, "all").size(), 7u);
  EXPECT_EQ(reader.bytes(0, "nothing").size(), 0u);
  reader.seek(7, "end");  // the end itself is a place
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, ErrorNamesFilePlaceNeededAndLeft) {
  const auto data = bytes_of({1, 2, 3});
  ByteReader reader(data, "tests/x", "x.bin");
  reader.read<uint8_t>("first");
  try {
    reader.read<uint32_t>("tensor count");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCorrupt);
    EXPECT_STREQ(e.what(), "[tests/x] x.bin: tensor count at offset 1: needs 4 bytes, 2 left");
  }
  EXPECT_EQ(reader.offset(), 1u);  // a failed read moves nothing
}

TEST(ByteReader, HugeCountsDoNotWrap) {
  const auto data = bytes_of({1, 2, 3});
  ByteReader reader(data, "tests/x", "x.bin");
  reader.read<uint8_t>("first");
  EXPECT_THROW(reader.bytes(UINT64_MAX, "blob"), Error);
  EXPECT_THROW(reader.bytes(UINT64_MAX - 1, "blob"), Error);
  EXPECT_THROW(reader.seek(4, "table"), Error);
  EXPECT_THROW(reader.seek(UINT64_MAX, "table"), Error);
}

TEST(ByteReader, EmptyInput) {
  ByteReader reader({}, "tests/x", "empty");
  EXPECT_EQ(reader.bytes(0, "nothing").size(), 0u);
  EXPECT_THROW(reader.read<uint8_t>("magic"), Error);
}

}  // namespace
}  // namespace ingot
