#include "server/tool_marks.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(ToolMarks, AreThereOrMayStillCome) {
  EXPECT_EQ(mark_at("<a>b", {"<b>", "<a>"}), Mark::kThere);
  EXPECT_EQ(mark_at("<a", {"<b>", "<a>"}), Mark::kMore);
  EXPECT_EQ(mark_at("", {"<b>"}), Mark::kMore);
  EXPECT_EQ(mark_at(" <a>", {"<a>"}), Mark::kNone);
  EXPECT_EQ(mark_at("<c", {"<b>", "<a>"}), Mark::kNone);
}

TEST(ToolMarks, WhiteSpaceIsLeftAside) {
  EXPECT_EQ(without_blank(" \n\r\ta b "), "a b ");
  EXPECT_EQ(without_blank("  "), "");
  EXPECT_TRUE(is_blank("") && is_blank(" \n"));
  EXPECT_FALSE(is_blank(" a"));
}

}  // namespace
}  // namespace ingot
