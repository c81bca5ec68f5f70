#include "base/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(RefusalTest, SaysEachKindItsWay) {
  EXPECT_EQ(refusal_text({"config", "f", "act", "silu", "'tanh'"}),
            "'act': expected silu, found 'tanh'");
  EXPECT_EQ(refusal_text({"weight", "f", "a.b", "shape [2]", ""}), "tensor 'a.b' is missing");
  EXPECT_EQ(refusal_text({"op", "f", "node 'n'", "", "no pads"}), "node 'n': no pads");
  EXPECT_EQ(refusal_text({"template", "f", "", "", "line 3: x"}), "line 3: x");
}

TEST(RefusalTest, OneIsAnErrorAsAnyOther) {
  try {
    refuse(ErrorCode::kCorrupt, "room", {"config", "f.json", "n", "1 to 4", "5\n\x1b"});
  } catch (const RefusedError& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_STREQ(error.what(), "[room] f.json: 'n': expected 1 to 4, found 5\n\\x1b");
    EXPECT_EQ(error.refusals().size(), 1u);
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(RefusalTest, GathersEachFaultOnceAndTellsThemInOneLine) {
  RefusalList list;
  EXPECT_TRUE(list.empty());
  list.throw_if_any("room");
  EXPECT_TRUE(list.gather("config", "f", [] {}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(list.gather("config", "f", [] {
      refuse(ErrorCode::kNotFound, "other", {"weight", "f", "w", "", ""});
    }));
  }
  EXPECT_FALSE(list.gather("tokenizer", "g", [] {
    fail(ErrorCode::kUnsupported, "text", "g: model 'X' is not supported");
  }));
  const std::vector<Refusal> expected = {{"weight", "f", "w", "", ""},
                                         {"tokenizer", "g", "", "", "model 'X' is not supported"}};
  EXPECT_EQ(list.items(), expected);
  try {
    list.throw_if_any("room");
    FAIL() << "nothing was thrown";
  } catch (const RefusedError& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_STREQ(error.what(), "[room] f: tensor 'w' is missing; g: model 'X' is not supported");
    EXPECT_EQ(error.refusals(), expected);
  }
}

TEST(RefusalTest, AnErrorShowsTheFirstOfMany) {
  RefusalList list;
  for (int i = 0; i < 30; ++i) {
    list.add(ErrorCode::kNotFound, {"weight", "f", fmt::format("w{}", i), "", ""});
  }
  try {
    list.throw_if_any("room");
  } catch (const RefusedError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'w7' is missing; and 22 more"));
    EXPECT_EQ(error.refusals().size(), 30u);
  }
}

TEST(RefusalTest, WhatSaysNothingOfTheModelGoesOn) {
  RefusalList list;
  const auto full = [] { fail(ErrorCode::kIo, "base", "disk full"); };
  EXPECT_THROW(list.gather("config", "f", full), Error);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace ingot
