#include "server/value_reader.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

class Said final : public ToolSink {
 public:
  void content(std::string_view) override { ADD_FAILURE() << "text of a value"; }
  void begin_call(std::string_view) override { ADD_FAILURE() << "a call of a value"; }
  void arguments(std::string_view json) override { text += json; }
  std::string text;
};

void push(ValueReader& reader, std::string_view text) {
  for (const char c : text) reader.push(c);
}

TEST(ValueReader, SaysTextsAsTheyCome) {
  Said said;
  ValueReader reader(said);
  reader.begin(ValueKind::kText, true);
  push(reader, "a\n\"");
  EXPECT_EQ(said.text, "\"a\\n\\\"");
  reader.end();
  EXPECT_EQ(said.text, "\"a\\n\\\"\"");
  reader.begin(ValueKind::kText, false);
  reader.cut("x\n");
  EXPECT_EQ(said.text, "\"a\\n\\\"\"\"x\\n");
}

TEST(ValueReader, SaysJsonWhenItIsWhole) {
  Said said;
  ValueReader reader(said);
  reader.begin(ValueKind::kJson, false);
  push(reader, " [1, True]");
  reader.cut("x");
  EXPECT_EQ(said.text, "");
  reader.end();
  EXPECT_EQ(said.text, "[1, true]");
  reader.begin(ValueKind::kEither, false);
  push(reader, "word");
  reader.end();
  EXPECT_EQ(said.text, "[1, true]\"word\"");
}

TEST(ValueReader, TakesWhatIsBeforeTheEnd) {
  Said said;
  ValueReader reader(said);
  const auto end = [](std::string_view text) { return mark_at(text, {"</v>"}); };
  reader.begin(ValueKind::kText, false);
  std::string held = "a<b</";
  EXPECT_FALSE(reader.take(held, end));
  EXPECT_EQ(held, "</") << "may be the end";
  held += "v> x";
  EXPECT_TRUE(reader.take(held, end));
  EXPECT_EQ(held, "</v> x");
  reader.end();
  EXPECT_EQ(said.text, "\"a<b\"");
}

// Nobody holds the others to end their strings.
TEST(ValueReader, KnowsTheStringsOfJsonThatIsHeld) {
  Said said;
  ValueReader reader(said);
  const auto ends = [&](std::string text) {
    return reader.take(text, [](std::string_view rest) { return mark_at(rest, {"</v>"}); });
  };
  reader.begin(ValueKind::kJson, true);
  EXPECT_FALSE(ends("[\"a\\\"</v>"));
  EXPECT_TRUE(ends("\"]</v>"));
  reader.end();
  EXPECT_EQ(said.text, "[\"a\\\"</v>\"]");
  for (const auto& [kind, strict] :
       {std::pair(ValueKind::kJson, false), {ValueKind::kText, true}}) {
    reader.begin(kind, strict);
    EXPECT_TRUE(ends("\"a</v>"));
  }
  reader.begin(ValueKind::kEither, true);
  EXPECT_TRUE(ends("a\"</v>")) << "a text";
  reader.begin(ValueKind::kEither, true);
  EXPECT_FALSE(ends(" \"a</v>"));
}

}  // namespace
}  // namespace ingot
