#include "server/tool_format.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "server/tool_json.h"

namespace ingot {
namespace {

// What was said, as "content|name(arguments)|…".
class Record : public ToolSink {
 public:
  explicit Record(bool held) : held_(held) {}
  void content(std::string_view text) override {
    if (kind_ != 'c') next('c');
    out_ += text;
  }
  void begin_call(std::string_view name) override {
    next('f');
    out_ += std::string(name) + "(";
  }
  void arguments(std::string_view json) override {
    EXPECT_EQ(kind_, 'f');
    out_ += json;
  }
  bool offers(std::string_view name) const override { return name != "nobody"; }
  bool held() const override { return held_; }
  std::string text() {
    if (kind_ == 'f') out_ += ")";
    return out_;
  }

 private:
  void next(char kind) {
    if (kind_ == 'f') out_ += ")";
    if (kind_ != 0) out_ += "|";
    kind_ = kind;
  }
  const bool held_;
  std::string out_;
  char kind_ = 0;
};

const ToolFormatDef& format(std::string_view name) {
  for (const ToolFormatDef* def : server_tool_format_list()) {
    if (def->name == name) return *def;
  }
  throw std::runtime_error("no such format");
}

// The same whatever pieces the text comes in.
std::string parsed(std::string_view name, const std::string& text, bool held = false) {
  std::string whole;
  for (size_t size = text.size() + 1; size > 0; size = size > 8 ? size / 2 : size - 1) {
    Record record(held);
    const auto parser = format(name).make(record);
    for (size_t at = 0; at < text.size(); at += size) parser->push(text.substr(at, size));
    parser->end();
    const std::string text_now = record.text();
    if (whole.empty()) whole = text_now;
    EXPECT_EQ(text_now, whole) << "pieces of " << size;
  }
  return whole;
}

TEST(ToolFormat, Hermes) {
  const auto run = [](const std::string& text) { return parsed("hermes", text); };
  EXPECT_EQ(run("Hello <b>"), "Hello <b>");
  EXPECT_EQ(
      run("\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\"]}}\n</tool_call>"),
      "f({\"a\": [1, \"}\"]})");
  EXPECT_EQ(run("Look:\n<tool_call>{\"arguments\": {}, \"name\": \"f\"}</tool_call>\n"
                "<tool_call>{\"name\": \"g\", \"arguments\": {\"x\": 1}}</tool_call>"),
            "Look:\n|f({})|g({\"x\": 1})");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\"}</tool_call> done"), "f({})| done");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>"),
            "f({\"a\": 1})");
  // A list of calls, as SmolLM2 was trained to write them, and marks and braces that are missing.
  EXPECT_EQ(run("<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\": [1]}}, {\"name\": \"g\"}]"
                "</tool_call> done"),
            "f({\"a\": [1]})|g({})| done");
  EXPECT_EQ(run("<tool_call>\n[\n{\"name\": \"f\", \"arguments\": {}}\n]\n</tool_call>\n"
                "<tool_call>{\"name\": \"g\"}</tool_call>"),
            "f({})|g({})");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}\n</tool_call> done"),
            "f({\"a\": 1})| done");
  EXPECT_EQ(run("<tool_call>[{\"name\": \"f\", \"arguments\": {}]</tool_call>"), "f({})");
  EXPECT_EQ(run("<tool_call><tool_call>{\"name\": \"f\"}"), "<tool_call>|f({})");
  EXPECT_EQ(run("<tool_call>[]</tool_call>"), "<tool_call>[]</tool_call>");
  EXPECT_EQ(run("<tool_call> [{\"nome\": 1}]"), "<tool_call> [{\"nome\": 1}]");
  EXPECT_EQ(run("<tool_call>[{\"name\": \"f\"}, {\"nome\": 1}]"), "f({})|, {\"nome\": 1}]");
  // Arguments that are no object are handed on.
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": [1]}"), "f([1])");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": \"Oslo\"}"), "f(Oslo)");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": \"\"}"), "f({})");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": null}"), "f({})");
  // No calls: text.
  EXPECT_EQ(run("<tool_call>not JSON</tool_call>"), "<tool_call>not JSON</tool_call>");
  EXPECT_EQ(run("<tool_call>{\"nome\": 1}"), "<tool_call>{\"nome\": 1}");
  EXPECT_EQ(run("<tool_call>{\"na"), "<tool_call>{\"na");
  EXPECT_EQ(run("<tool_call>{}"), "<tool_call>{}");
  EXPECT_EQ(run("a <tool_"), "a <tool_");
  // Cut off: what was said stays.
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"x"), "f({\"a\": \"x)");
  EXPECT_EQ(run("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}} and so on"),
            "f({\"a\": 1})| and so on");
}

TEST(ToolFormat, Llama3) {
  const auto run = [](const std::string& text) { return parsed("llama3", text); };
  EXPECT_EQ(run("Hello {\"name\": \"f\"}"), "Hello {\"name\": \"f\"}");
  EXPECT_EQ(run("{\"name\": \"f\", \"parameters\": {\"a\": 1}}"), "f({\"a\": 1})");
  EXPECT_EQ(
      run("<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {\"a\": 1}}"),
      "f({\"a\": 1})");
  EXPECT_EQ(run("{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}"),
            "f({})|g({})");
  // JSON is a call where its name is a tool's.
  EXPECT_EQ(run("{\"name\": \"nobody\", \"age\": 3}"), "{\"name\": \"nobody\", \"age\": 3}");
  EXPECT_EQ(run("<|python_tag|>{\"name\": \"nobody\"}"), "nobody({})");
  EXPECT_EQ(run("{\"answer\": 42}"), "{\"answer\": 42}");
  EXPECT_EQ(run("{oh no"), "{oh no");
  EXPECT_EQ(run("<|python_tag|>print(1)"), "<|python_tag|>print(1)");
}

TEST(ToolFormat, Mistral) {
  const auto run = [](const std::string& text) { return parsed("mistral", text); };
  EXPECT_EQ(run("Hello [1, 2]"), "Hello [1, 2]");
  EXPECT_EQ(
      run("[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}]"),
      "f({\"a\": 1})");
  EXPECT_EQ(run("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", "
                "\"arguments\": {}}]"),
            "f({})|g({})");
  EXPECT_EQ(run("So: [TOOL_CALLS]f[ARGS]{\"a\": \"]\"}"), "So: |f({\"a\": \"]\"})");
  EXPECT_EQ(run("[TOOL_CALLS]f[CALL_ID]abc[ARGS]{}[TOOL_CALLS]g{\"a\": 1}"), "f({})|g({\"a\": 1})");
  EXPECT_EQ(run("[TOOL_CALLS]f[ARGS]"), "f({})");
  EXPECT_EQ(run("[TOOL_CALLS]f[ARGS] Done."), "f({})|Done.");
  EXPECT_EQ(run("[TOOL_CALLS]f[ARGS][TOOL_CALLS]g{}"), "f({})|g({})");
  EXPECT_EQ(run("[TOOL_CALLS]oops"), "[TOOL_CALLS]oops");
  EXPECT_EQ(run("[TOOL_CALLS][1]"), "[TOOL_CALLS][1]");
}

// Marked as Hermes' calls are, or the answer's beginning.
TEST(ToolFormat, Generic) {
  const auto run = [](const std::string& text) { return parsed("generic", text); };
  EXPECT_EQ(run("Hello {\"name\": \"f\", \"arguments\": {}}"),
            "Hello {\"name\": \"f\", \"arguments\": {}}");
  EXPECT_EQ(run("So: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"),
            "So: |f({\"a\": 1})");
  EXPECT_EQ(run(" {\"name\": \"f\", \"arguments\": {\"a\": 1}}"), "f({\"a\": 1})");
  EXPECT_EQ(run("```json\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n```\n"), "f({\"a\": 1})");
  EXPECT_EQ(run("```\n{\"parameters\": {}, \"name\": \"f\"}\n``` There."), "f({})|\n``` There.");
  EXPECT_EQ(run("{\"name\": \"f\"}, {\"name\": \"g\", \"arguments\": {\"b\": \"}\"}}\n"
                "<tool_call>{\"name\": \"h\"}</tool_call>"),
            "f({})|g({\"b\": \"}\"})|h({})");
  EXPECT_EQ(run("[{\"name\": \"f\"}, {\"name\": \"g\", \"arguments\": {\"b\": []}}]"),
            "f({})|g({\"b\": []})");
  EXPECT_EQ(run("```json\n[\n {\"name\": \"f\"}\n]\n```"), "f({})");
  EXPECT_EQ(run("{\"name\": \"f\"}\n</tool_call>\n{\"name\": \"g\"}</tool_call>"), "f({})|g({})");
  EXPECT_EQ(run("{\"name\": \"f\"} </tool"), "f({})");
  EXPECT_EQ(run("{\"name\": \"f\"} </p>"), "f({})| </p>");
  // Text, all of it, whatever it begins with; a tool's description too.
  for (const char* text : {"{\"name\": \"nobody\", \"age\": 3}", "{\"answer\": 42}", "{oh no",
                           "```json\n[1]\n```", "```python\nprint(1)\n```", "`x` is",
                           "{\"name\": \"f\", \"description\": \"\", \"parameters\": {}}",
                           "[{\"name\": \"nobody\"}]", "[[{\"name\": \"f\"}]]", "[1, 2]", "[",
                           "{\"name\": \"f", "```js", "{\"age\": {\"name\": \"f\"}}"}) {
    EXPECT_EQ(run(text), text);
  }
  EXPECT_EQ(run("{\"name\": \"f\", \"arguments\": {\"a\": \"x"), "f({\"a\": \"x)");
}

// Where a grammar holds the answer, only what it holds is a call.
TEST(ToolFormat, HeldAnswers) {
  const auto run = [](const char* name, const std::string& text) {
    return parsed(name, text, true);
  };
  EXPECT_EQ(run("generic", "{\"name\": \"f\", \"arguments\": {}}"),
            "{\"name\": \"f\", \"arguments\": {}}");
  EXPECT_EQ(run("generic", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"),
            "f({})");
  EXPECT_EQ(run("llama3", "{\"name\": \"f\", \"parameters\": {}}"), "f({})");
  EXPECT_EQ(run("llama3", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}"), "f({})");
  for (const char* text :
       {"{\"name\":\"f\", \"parameters\": {}}", "{ \"name\": \"f\", \"parameters\": {}}",
        "{\"parameters\": {}, \"name\": \"f\"}", "<|python_tag|>{\"name\":\"f\"}", "{\"na"}) {
    EXPECT_EQ(run("llama3", text), text);
  }
}

TEST(ToolFormat, FoundByTheTemplate) {
  EXPECT_EQ(find_tool_format("{{ messages }}").name, "generic");
  EXPECT_EQ(find_tool_format("... <tool_call> ...").name, "hermes");
  EXPECT_EQ(find_tool_format("... <|python_tag|> ...").name, "llama3");
  EXPECT_EQ(find_tool_format("... [TOOL_CALLS] ...").name, "mistral");
}

TEST(ToolFormat, IdsFitTheTemplates) {
  EXPECT_EQ(fitting_call_id("call_1", format("hermes")), "call_1");
  EXPECT_EQ(fitting_call_id("aB3456789", format("mistral")), "aB3456789");
  const std::string other = fitting_call_id("call_1", format("mistral"));
  EXPECT_EQ(other, fitting_call_id("call_1", format("mistral")));
  EXPECT_NE(other, fitting_call_id("call_2", format("mistral")));
  for (const char* id : {"call_1", "", "123-56789", "1234567890"}) {
    const std::string fitting = fitting_call_id(id, format("mistral"));
    EXPECT_EQ(fitting.size(), 9u);
    EXPECT_EQ(fitting.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), fitting.npos);
  }
}

// White space without an end does not wait for it.
TEST(ToolFormat, EndlessBlanks) {
  const std::string blanks(kMostHeld + 500, '\n');
  for (const ToolFormatDef* def : server_tool_format_list()) {
    const CallForm f = def->form("f", "");
    const std::string call = f.open + f.begin + "{}" + f.end + f.close;
    for (const std::string& before : {std::string(), call}) {
      Record record(false);
      const auto parser = def->make(record);
      parser->push(before + blanks);
      EXPECT_TRUE(record.text().ends_with(blanks)) << def->name << ": " << before;
    }
    EXPECT_EQ(parsed(def->name, blanks + "x"), blanks + "x") << def->name;
    EXPECT_EQ(parsed(def->name, call + blanks + "x"), "f({})|" + blanks + "x") << def->name;
    EXPECT_EQ(parsed(def->name, blanks.substr(0, kMostHeld / 2) + call), "f({})") << def->name;
  }
}

// Whether `text` begins with one of them behind white space.
bool opens(std::string_view text, const std::vector<std::string_view>& openings) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n\t\r"), text.size()));
  return std::ranges::any_of(openings, [&](auto one) { return text.starts_with(one); });
}

// Whatever a model writes, in whatever pieces: no crash, and arguments only behind a call's name.
TEST(ToolFormat, AnyText) {
  const std::vector<std::string> parts = {"<tool_call>",
                                          "</tool_call>",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "\"name\"",
                                          ":",
                                          "\"f\"",
                                          ",",
                                          "\"arguments\"",
                                          "\"parameters\"",
                                          " ",
                                          "\n",
                                          "\\",
                                          "\"",
                                          "[TOOL_CALLS]",
                                          "[ARGS]",
                                          "x",
                                          "<|python_tag|>",
                                          ";",
                                          "```json",
                                          "1",
                                          "null",
                                          "\xc3\xa9"};
  uint64_t state = 1;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < 24; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += parts[(state >> 33) % parts.size()];
    }
    for (const ToolFormatDef* def : server_tool_format_list()) {
      const std::string read = parsed(def->name, text);
      if (!def->openings.empty() && !opens(text, def->openings)) EXPECT_EQ(read, text);
    }
  }
}

// Where calls must be of their schemas, what no grammar holds is no call.
TEST(ToolFormat, HeldOnesAreReadInTheirFormAlone) {
  for (const ToolFormatDef* def : server_tool_format_list()) {
    for (const char* text : {" {\"name\": \"f\", \"arguments\": {}}", "```json\n{\"name\": \"f\"}",
                             "So: {\"name\": \"f\", \"parameters\": {}}"}) {
      if (!opens(text, def->openings)) EXPECT_EQ(parsed(def->name, text, true), text) << def->name;
    }
  }
}

// What an answer is held to is what the format reads: one call, and two where more may come.
TEST(ToolFormats, ReadTheCallsThatTheirFormMakes) {
  size_t forms = 0;
  for (const ToolFormatDef* def : server_tool_format_list()) {
    for (const char* chat_template : {"", "[TOOL_CALLS] [ARGS]"}) {
      const CallForm f = def->form("get-it_1.a", chat_template);
      EXPECT_TRUE((f.open + f.begin).starts_with(f.trigger)) << def->name;
      EXPECT_FALSE(f.begin.empty() || f.trigger.empty()) << def->name;
      const std::string one = f.begin + R"({"a": "]}<\"", "b": [1, {}]})" + f.end;
      const std::string call = R"(get-it_1.a({"a": "]}<\"", "b": [1, {}]}))";
      EXPECT_EQ(parsed(def->name, f.open + one + f.close, true), call) << def->name;
      EXPECT_EQ(parsed(def->name, f.open + one + f.separator + one + f.close), call + "|" + call)
          << def->name;
      ++forms;
    }
  }
  EXPECT_GE(forms, 8u);
}

}  // namespace
}  // namespace ingot
