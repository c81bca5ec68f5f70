#include "loaders/pickle.h"

#include "tests/loaders/torch_archive.h"

namespace ingot {
namespace {

using Kind = PickleValue::Kind;

class PickleTest : public testing::Test {
 protected:
  const PickleValue& read(const std::string& value) {
    bytes_ = whole_pickle(value);
    pickle_ = read_pickle(as_bytes(bytes_), "test", "p");
    return pickle_.at(pickle_.root);
  }
  std::string text(const std::string& value) {
    read(value);
    return pickle_.describe(pickle_.root);
  }
  void refused(const std::string& value, const std::string& part,
               ErrorCode code = ErrorCode::kCorrupt) {
    expect_error([&] { read(value); }, code, {"[test] p: ", part});
  }
  std::string bytes_;
  Pickle pickle_;
};

// As Python's pickle writes them, protocols 2 and 4.
TEST_F(PickleTest, Scalars) {
  EXPECT_EQ(text("N"), "None");
  EXPECT_EQ(text("\x88"), "True");
  EXPECT_EQ(text("\x89"), "False");
  EXPECT_EQ(text("K\xff"), "255");
  EXPECT_EQ(text("M\xff\xff"), "65535");
  EXPECT_EQ(text("J\xff\xff\xff\xff"), "-1");
  EXPECT_EQ(text(std::string("\x8a\x05\x00\x00\x00\x00\x01", 7)), "4294967296");
  EXPECT_EQ(text("\x8a\x01\xff"), "-1");
  EXPECT_EQ(text(std::string("\x8a\x00", 2)), "0");
  EXPECT_EQ(text(std::string("G\x3f\xf8\x00\x00\x00\x00\x00\x00", 9)), "1.5");
  EXPECT_EQ(text("\x8c\x02hi"), "'hi'");
  EXPECT_EQ(text("C\x02hi"), "2 bytes");
}

TEST_F(PickleTest, Containers) {
  EXPECT_EQ(text("(K\x01K\x02t"), "a tuple of 2");
  EXPECT_EQ(text("K\x01K\x02\x86"), "a tuple of 2");
  EXPECT_EQ(text("](K\x01K\x02"
                 "e"),
            "a list of 2");
  EXPECT_EQ(text("]K\x01"
                 "a"),
            "a list of 1");
  const PickleValue& dict = read(
      "}(\x8c\x01"
      "aK\x01\x8c\x01"
      "bK\x02u");
  ASSERT_EQ(dict.items.size(), 4u);
  EXPECT_EQ(pickle_.at(dict.items[2]).text, "b");
  EXPECT_EQ(pickle_.at(dict.items[3]).number, 2);
  const PickleValue& nested = read("K\x01\x85K\x02\x86");
  EXPECT_EQ(pickle_.at(nested.items[0]).kind, Kind::kTuple);
  EXPECT_EQ(pickle_.at(nested.items[1]).number, 2);
}

TEST_F(PickleTest, WhatIsKeptComesBack) {
  const PickleValue& pair = read(
      "(\x8c\x01"
      "aq\x03h\x03t");
  EXPECT_EQ(pair.items[0], pair.items[1]);
  const PickleValue& again = read(
      "(\x8c\x01"
      "a\x94K\x05"
      "h" +
      std::string(1, '\0') + "t");
  EXPECT_EQ(again.items[0], again.items[2]);
  refused("h\x03", "nothing was kept under 3");
}

TEST_F(PickleTest, CallsAreData) {
  const PickleValue& call = read("cos\nsystem\n(\x8c\x02lstR");
  EXPECT_EQ(call.kind, Kind::kCall);
  EXPECT_EQ(pickle_.at(call.items[0]).text, "os system");
  EXPECT_EQ(text("\x8c\x02os\x8c\x06system\x93"), "'os system'");
  EXPECT_EQ(text("K\x01Q"), "an object outside");
}

// Two texts that are kept, joined over and over: each name takes memory once.
TEST_F(PickleTest, JoinedNamesTakeBoundedMemory) {
  const std::string zero(1, '\0');
  std::string same = "(\x8c\xff" + std::string(255, 'm') + "\x94";
  for (int i = 0; i < 100000; ++i) same += "h" + zero + "h" + zero + "\x93";
  EXPECT_EQ(read(same + "t").items.size(), 100001u);
  size_t bytes = 0;
  for (const auto& name : pickle_.names) bytes += name.size();
  EXPECT_EQ(bytes, 511u);
  std::string texts, pairs;
  for (char i = 0; i < 40; ++i) {
    texts += "\x8c\xff" + std::string(255, static_cast<char>('A' + i)) + "\x94";
    for (char j = 0; j < 40; ++j) pairs += std::string("h") + i + "h" + j + "\x93";
  }
  refused("(" + texts + pairs + "t", "more than 1024 globals");
}

TEST_F(PickleTest, BrokenOnesSayWhere) {
  refused("t", "byte 2: expected a mark, found none");
  refused("", "expected a value on the stack");
  refused("(a", "expected a value on the stack");
  refused(
      "K\x01K\x02"
      "a",
      "expected a container below the items, found 1");
  refused("}(K\x01u", "a key without a value");
  refused("cos\nsystem", "a line without an end");
  refused("\x8a\x09" + std::string(9, 'x'), "at most 8");
  refused("\x8c\x05hi", "needs 5 bytes, 3 left");
  refused("\x80\x06N", "protocol 6");
  refused("i", "opcode 0x69", ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace ingot
