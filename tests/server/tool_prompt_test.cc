#include "server/tool_prompt.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/api_error.h"
#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

const Json& tools() {
  static const Json out = Json::parse(
      R"([{"type": "function",
           "function": {"name": "f", "description": "a\nb", "parameters": null}}])");
  return out;
}

const Json& question() {
  static const Json out = Json::parse(R"([{"role": "user", "content": "Why?"}])");
  return out;
}

std::string described(std::string_view chat_template, const Json& messages) {
  const TextAssets assets = oracle_assets(chat_template);
  return chat_text(render_described(assets, messages, tool_description(tools()), {}));
}

TEST(ToolPrompt, DescriptionHasALineForEachTool) {
  const std::string text = tool_description(tools());
  EXPECT_NE(text.find("\n{\"name\":\"f\",\"description\":\"a\\nb\"}\n"), text.npos) << text;
  EXPECT_EQ(text.find("null"), text.npos);
}

TEST(ToolPrompt, StandsInTheSystemMessageWhereThereIsOne) {
  const std::string text = described(kPlainTemplate, question());
  EXPECT_TRUE(text.starts_with("<|im_start|>system\n" + tool_description(tools()) + "<|im_end|>"))
      << text;
  EXPECT_EQ(text.find("Be kind."), text.npos);
}

TEST(ToolPrompt, StandsBeforeTheQuestionWhereSystemMessagesAreRefused) {
  const std::string wanted = "user:" + tool_description(tools()) + "\n\nWhy?";
  EXPECT_EQ(
      described("{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}"
                "{% endif %}{% for m in messages %}{{ m.role + ':' + m.content }}{% endfor %}",
                question()),
      wanted);
  // Left out without a word.
  EXPECT_EQ(described("{% for m in messages if m.role != 'system' %}{{ m.role + ':' + m.content }}"
                      "{% endfor %}",
                      question()),
            wanted);
}

TEST(ToolPrompt, WhatACallerSentIsRefusedAsTheTemplateDoes) {
  const Json messages = Json::parse(R"([{"role": "system", "content": "S"}])");
  EXPECT_THROW(described("{{ raise_exception('no system') }}", messages), Error);
  EXPECT_THROW(described("{{ messages[0].role }}", question()), ApiError);
}

// Each is put behind the others in place: copies of what is there would be 60 GB here.
TEST(ToolPrompt, ManyResultsAreOneTurn) {
  constexpr size_t kResults = 10'000, kBig = 2 << 20;
  Json messages = Json::array();
  messages.push_back({{"role", "tool"}, {"content", std::string(kBig, 'x')}});
  for (size_t i = 0; i < kResults; ++i) messages.push_back({{"role", "tool"}, {"content", "y"}});
  const Json out = messages_without_tools(messages);
  ASSERT_EQ(out.size(), 1);
  const std::string& text = out[0]["content"].get_ref<const std::string&>();
  EXPECT_EQ(std::ranges::count(text, 'x'), kBig);
  EXPECT_EQ(std::ranges::count(text, 'y'), kResults);
}

TEST(ToolPrompt, CallsAndResultsAreText) {
  const Json out = messages_without_tools(Json::parse(R"([
      {"role": "assistant", "content": "Let me see.", "tool_calls": [
        {"function": {"arguments": {"x": [1]}, "name": "f"}}]},
      {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"},
      {"role": "user", "content": "And?"}, {"role": "tool", "content": "3"},
      {"role": "assistant", "content": "Done.", "tool_calls": null}])"));
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0]["content"],
            "Let me see.\n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":[1]}}\n</tool_call>");
  EXPECT_FALSE(out[0].contains("tool_calls"));
  EXPECT_EQ(out[1]["role"], "user");
  EXPECT_EQ(out[1]["content"],
            "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>\n\nAnd?"
            "\n\n<tool_response>\n3\n</tool_response>");
  EXPECT_EQ(out[2]["content"], "Done.");
}

}  // namespace
}  // namespace ingot
