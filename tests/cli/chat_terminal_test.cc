#include "cli/contract/chat_terminal.h"

#include <gtest/gtest.h>

namespace ingot {
namespace chat_terminal_test {

TEST(ChatTerminal, history_forgets_oldest_turns_but_not_the_question) {
  ChatHistory history("Be brief.");
  history.add("user", "one");
  history.add("assistant", "1");
  history.add("user", "two");
  EXPECT_TRUE(history.forget_oldest());
  EXPECT_EQ(history.messages(), Json::parse(R"([{"role": "system", "content": "Be brief."},
                                               {"role": "user", "content": "two"}])"));
  EXPECT_FALSE(history.forget_oldest());
  history.reset();
  EXPECT_EQ(history.messages().size(), 1u);
  ChatHistory plain("");
  EXPECT_EQ(plain.messages(), Json::array());
  plain.add("user", "one");
  EXPECT_FALSE(plain.forget_oldest());
}

}  // namespace chat_terminal_test
}  // namespace ingot
