#include "base/nearest.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

const std::vector<std::string> kCommands = {"run", "chat", "build", "bench", "tokenize"};

TEST(Nearest, FindsOneEditAway) {
  EXPECT_EQ(nearest_name("rum", kCommands), "run");
  EXPECT_EQ(nearest_name("runn", kCommands), "run");
  EXPECT_EQ(nearest_name("chta", kCommands), "chat");  // neighbours swapped: one edit
  EXPECT_EQ(nearest_name("tokenise", kCommands), "tokenize");
  EXPECT_EQ(nearest_name("run", kCommands), "run");
}

TEST(Nearest, TakesTheNearestOfSeveral) {
  EXPECT_EQ(nearest_name("buil", kCommands), "build");
  EXPECT_EQ(nearest_name("ab", {"axc", "abc", "abd"}), "abc");  // of equals the first
}

TEST(Nearest, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(nearest_name("frob", kCommands), "");
  EXPECT_EQ(nearest_name("", kCommands), "");
  EXPECT_EQ(nearest_name("run", {}), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'x'), kCommands), "");
  EXPECT_EQ(did_you_mean("frob", kCommands), "");
  EXPECT_EQ(did_you_mean("benhc", kCommands), ", did you mean 'bench'?");
}

}  // namespace
}  // namespace ingot
