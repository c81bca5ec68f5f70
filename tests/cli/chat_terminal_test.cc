#include "cli/contract/chat_terminal.h"

#include <gtest/gtest.h>

namespace ingot {
namespace chat_terminal_test {

TEST(ChatTerminal, printable_keeps_text_and_drops_what_steers_a_terminal) {
  EXPECT_EQ(printable("a\tb\nc é 日本 \xc2\xa0."), "a\tb\nc é 日本 \xc2\xa0.");
  EXPECT_EQ(printable("\x1b[31mred\x1b]0;title\x07\r\x7f"), "[31mred]0;title");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "31m\xc2\x80\xc2\x9f!"),
            "a31m!");
  EXPECT_EQ(printable(std::string_view("a\0b\xc2", 4)), "ab\xc2");
}

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
