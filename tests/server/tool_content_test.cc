#include "server/tool_content.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

struct SaidText final : ToolSink {
  std::string text;
  void content(std::string_view more) override { text += more; }
  void begin_call(std::string_view) override {}
  void arguments(std::string_view) override {}
};

TEST(ToolContent, WhiteSpaceWaitsForWhatFollows) {
  SaidText said;
  ToolContent content(said);
  std::string held = " \n";
  content.say(held, 2);
  EXPECT_EQ(held, " \n") << "a call may follow";
  held += "Well<";
  content.say(held, held.size() - 1);
  EXPECT_EQ(said.text, " \nWell");
  EXPECT_EQ(held, "<");
  held = " ";
  content.say(held, 1);
  EXPECT_EQ(said.text, " \nWell ") << "it stands behind text";
  content.call_ended();
  held = "\n";
  content.say(held, 1);
  EXPECT_EQ(held, "\n") << "another call may follow";
  content.say("so");
  content.say(held, 1);
  EXPECT_EQ(said.text, " \nWell so\n");
}

TEST(ToolContent, WhiteSpaceWithoutEndIsContent) {
  SaidText said;
  ToolContent content(said);
  std::string held(kMostHeld + 1, ' ');
  content.say(held, held.size());
  EXPECT_EQ(said.text.size(), kMostHeld + 1);
  EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace ingot
