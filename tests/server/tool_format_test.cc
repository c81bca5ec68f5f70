#include "server/tool_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

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
  const Json* parameters(std::string_view name) const override {
    static const Json schema = Json::parse(R"({"properties": {"a": {"type": "string"},
        "b": {"type": "array"}, "n": {"type": "integer"},
        "e": {"anyOf": [{"type": "string"}, {"type": "null"}]}}})");
    return name == "bare" ? nullptr : &schema;
  }
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

TEST(ToolFormat, Qwen3Coder) {
  const auto run = [](const std::string& text) { return parsed("qwen3_coder", text); };
  const auto call = [](const std::string& parameters) {
    return "<tool_call>\n<function=f>\n" + parameters + "</function>\n</tool_call>";
  };
  const auto of = [](const std::string& name, const std::string& value) {
    return "<parameter=" + name + ">\n" + value + "\n</parameter>\n";
  };
  EXPECT_EQ(run("Hello <b>"), "Hello <b>");
  EXPECT_EQ(run(call("")), "f({})");
  EXPECT_EQ(run("So:\n" + call(of("a", "two\n\"lines\" é"))),
            "So:\n|f({\"a\": \"two\\n\\\"lines\\\" é\"})");
  EXPECT_EQ(run(call(of("n", "7") + of("a", "7") + of("b", "[1, {}]"))),
            "f({\"n\": 7, \"a\": \"7\", \"b\": [1, {}]})");
  EXPECT_EQ(run(call(of("e", "null")) + "\n" + call(of("e", "x"))),
            "f({\"e\": null})|f({\"e\": \"x\"})");
  // Python's spelling, what is none of its type, what the schema does not name.
  EXPECT_EQ(run(call(of("b", "['x', True]") + of("n", "seven") + of("other", "1"))),
            "f({\"b\": [\"x\", true], \"n\": \"seven\", \"other\": \"1\"})");
  EXPECT_EQ(run("<tool_call><function=bare><parameter=n>1</parameter></function></tool_call> done"),
            "bare({\"n\": \"1\"})| done");
  // Empty texts and line ends keep their places.
  EXPECT_EQ(run(call(of("a", ""))), "f({\"a\": \"\"})");
  EXPECT_EQ(run(call("<parameter=a>\n</parameter>\n")), "f({\"a\": \"\"})");
  EXPECT_EQ(run(call(of("a", "\n x\n"))), "f({\"a\": \"\\n x\\n\"})");
  // Texts about calls.
  for (const char* text : {"</parameter>", "x</parameter>y", "<tool_call>", "</function>",
                           "<parameter=b>\n1", "</tool_call>\n</parameter>\nthe end"}) {
    EXPECT_EQ(run(call(of("a", text))), "f({\"a\": " + Json(text).dump() + "})");
  }
  // Without <tool_call>, of a tool that is offered; two functions in one; what is missing.
  EXPECT_EQ(run("<function=f>\n" + of("a", "x") + "</function>"), "f({\"a\": \"x\"})");
  EXPECT_EQ(run("<function=nobody>\n</function>"), "<function=nobody>\n</function>");
  EXPECT_EQ(run("<tool_call>\n<function=f>\n</function>\n<function=g>\n</function>\n</tool_call>"),
            "f({})|g({})");
  EXPECT_EQ(run("<tool_call>\n<function=f>\n" + of("a", "x") + "</tool_call> done"),
            "f({\"a\": \"x\"})| done");
  EXPECT_EQ(run("<tool_call>\n<function=f>\n<parameter=a>x</parameter>\noh <b>"),
            "f({\"a\": \"x</parameter>\\noh <b>)");
  EXPECT_EQ(run("<tool_call>\n<function=f>\noh <b>"), "f({})|\noh <b>");
  EXPECT_EQ(run(call("<parameter=a\nb>")), "f({})|<parameter=a\nb></function>\n</tool_call>");
  // No calls: text.
  for (const char* text : {"<tool_call>\n{\"name\": \"f\"}", "<tool_call>", "<function=", "a <func",
                           "<tool_call>\n<function=a\nb>", "<tool_call><function=>"}) {
    EXPECT_EQ(run(text), text);
  }
  // Cut off: what was said stays.
  EXPECT_EQ(run("<function=f>\n<parameter=a>\nso far"), "f({\"a\": \"so far)");
  EXPECT_EQ(run("<function=f>\n<parameter=n>\n1"), "f({\"n\": )");
}

TEST(ToolFormat, Glm45) {
  const auto run = [](const std::string& text) { return parsed("glm45", text); };
  const auto of = [](const std::string& name, const std::string& value) {
    return "<arg_key>" + name + "</arg_key>\n<arg_value>" + value + "</arg_value>\n";
  };
  const auto call = [](const std::string& arguments) {
    return "<tool_call>f\n" + arguments + "</tool_call>";
  };
  EXPECT_EQ(run("Hello <b>"), "Hello <b>");
  EXPECT_EQ(run(call("")), "f({})");
  EXPECT_EQ(run("<tool_call>f</tool_call><tool_call> g\n </tool_call> done"), "f({})|g({})| done");
  EXPECT_EQ(run("So:\n" + call(of("a", " two\n\"lines\" é\n"))),
            "So:\n|f({\"a\": \" two\\n\\\"lines\\\" é\\n\"})");
  EXPECT_EQ(run(call(of("n", "7") + of("a", "7") + of("b", " [1, {}]\n"))),
            "f({\"n\": 7, \"a\": \"7\", \"b\": [1, {}]})");
  EXPECT_EQ(run(call(of("e", "null")) + "\n" + call(of("e", "x"))),
            "f({\"e\": null})|f({\"e\": \"x\"})");
  // GLM-4.7's spelling, and spaces where a model leaves them.
  EXPECT_EQ(run("<tool_call>f<arg_key>n</arg_key><arg_value>1</arg_value><arg_key>a</arg_key>"
                "<arg_value></arg_value></tool_call>"),
            "f({\"n\": 1, \"a\": \"\"})");
  EXPECT_EQ(run("<tool_call>\nf <arg_key> a </arg_key> <arg_value>x</arg_value> </tool_call>"),
            "f({\"a\": \"x\"})");
  // Python's spelling, what is none of its type, what the schema does not name.
  EXPECT_EQ(run(call(of("b", "['x', True]") + of("n", "seven") + of("other", "1"))),
            "f({\"b\": [\"x\", true], \"n\": \"seven\", \"other\": \"1\"})");
  // Texts about calls.
  for (const char* text : {"</arg_value>", "x</arg_value>y", "<tool_call>", "</tool_call>",
                           "<arg_key>b</arg_key>", "</tool_call>\n</arg_value>\nthe end"}) {
    EXPECT_EQ(run(call(of("a", text))), "f({\"a\": " + Json(text).dump() + "})");
  }
  // A tool that is not offered has arguments, or is none; what is missing, and what is too much.
  EXPECT_EQ(run("<tool_call>nobody<arg_key>n</arg_key><arg_value>1</arg_value></tool_call>"),
            "nobody({\"n\": 1})");
  EXPECT_EQ(run("<tool_call>f\n" + of("a", "x") + "</tool_call> done"), "f({\"a\": \"x\"})| done");
  EXPECT_EQ(run("<tool_call>f\n" + of("a", "x")), "f({\"a\": \"x\")");
  EXPECT_EQ(run(call("<arg_key>a<b</arg_key>")), "f({})|<arg_key>a<b</arg_key></tool_call>");
  EXPECT_EQ(run(call("<arg_key></arg_key>")), "f({})|<arg_key></arg_key></tool_call>");
  EXPECT_EQ(run(call("<arg_key>a</arg_key>\nx")), "f({})|<arg_key>a</arg_key>\nx</tool_call>");
  EXPECT_EQ(run("<tool_call>f\n<arg_key>n</arg_key>\n<tool_call>f</tool_call>"),
            "f({})|<arg_key>n</arg_key>\n|f({})");
  // No calls: text.
  for (const char* text :
       {"<tool_call>", "<tool_call>f", "<tool_call></tool_call>", "<tool_call>nobody</tool_call>",
        "<tool_call>f or g</tool_call>", "<tool_call>{\"name\": \"f\"}</tool_call>", "a <tool_",
        "<tool_call>f<b>", "<tool_call>f\nx</tool_call>", "<tool_call><arg_key>a</arg_key>"}) {
    EXPECT_EQ(run(text), text);
  }
  // Cut off: what was said stays.
  EXPECT_EQ(run("<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>so far"), "f({\"a\": \"so far)");
  EXPECT_EQ(run("<tool_call>f\n<arg_key>n</arg_key>\n<arg_value>1"), "f({\"n\": )");
  EXPECT_EQ(run("<tool_call>f\n<arg_key>n"), "f({)");
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
  // A value of JSON ends where it does, whatever its strings hold; a call has one spelling.
  EXPECT_EQ(run("qwen3_coder",
                "<tool_call>\n<function=f>\n<parameter=b>\n[\"</parameter></function>\"]"
                "\n</parameter>\n</function>\n</tool_call>"),
            "f({\"b\": [\"</parameter></function>\"]})");
  for (const char* text : {"<function=f>\n</function>", "<tool_call> <function=f>\n</function>",
                           "<tool_call>\n<function=nobody>\n</function>"}) {
    EXPECT_EQ(run("qwen3_coder", text), text);
  }
  EXPECT_EQ(run("glm45",
                "<tool_call>f<arg_key> b</arg_key><arg_value>[\"</arg_value></tool_call>\"]"
                "</arg_value></tool_call>"),
            "f({\" b\": \"[\\\"\"})|\"]</arg_value></tool_call>");
  EXPECT_EQ(run("glm45",
                "<tool_call>f<arg_key>b</arg_key><arg_value>[\"</arg_value></tool_call>\"]"
                "</arg_value></tool_call>"),
            "f({\"b\": [\"</arg_value></tool_call>\"]})");
  for (const char* text : {"<tool_call> f</tool_call>", "<tool_call>\nf</tool_call>",
                           "<tool_call>nobody<arg_key>a</arg_key>"}) {
    EXPECT_EQ(run("glm45", text), text);
  }
  for (const char* text : {" f\n{}", "f\n {}", "So:<|assistant|>f\n{}"}) {
    EXPECT_EQ(run("glm4", text), text);
  }
  for (const char* text :
       {"{\"name\":\"f\", \"parameters\": {}}", "{ \"name\": \"f\", \"parameters\": {}}",
        "{\"parameters\": {}, \"name\": \"f\"}", "<|python_tag|>{\"name\":\"f\"}", "{\"na"}) {
    EXPECT_EQ(run("llama3", text), text);
  }
}

TEST(ToolFormat, Granite) {
  const auto run = [](const std::string& text) { return parsed("granite", text); };
  EXPECT_EQ(run("Hello [1, 2] <|tool|>"), "Hello [1, 2] <|tool|>");
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": [1, \"]\"]}}]"),
            "f({\"a\": [1, \"]\"]})");
  EXPECT_EQ(run("So:\n<|tool_call|> [{\"name\": \"f\"}, {\"arguments\": {}, \"name\": \"g\"}]\n"),
            "So:\n|f({})|g({})");
  EXPECT_EQ(run("<|tool_call|>{\"name\": \"f\"} done"), "f({})| done");
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\"}]<|tool_call|>[{\"name\": \"g\"}]"), "f({})|g({})");
  for (const char* text : {"<|tool_call|>", "<|tool_call|>[", "<|tool_call|>[]",
                           "<|tool_call|>none", "<|tool_call|>[{\"nome\": 1}]", "<|tool_call|>[1]",
                           "<|tool_call|>[{", "<|tool_call|><|tool_", "a <|tool_"}) {
    EXPECT_EQ(run(text), text);
  }
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\"}, {\"nome\": 1}]"), "f({})|, {\"nome\": 1}]");
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": \"x"), "f({\"a\": \"x)");
}

TEST(ToolFormat, Phi4Mini) {
  const auto run = [](const std::string& text) { return parsed("phi4_mini", text); };
  EXPECT_EQ(
      run("<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\"}]<|/tool_call|>"),
      "f({})|g({})");
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\"}]\n<|/tool_call|> done <|/tool"),
            "f({})| done <|/tool");
  EXPECT_EQ(run("<|tool_call|>[{\"name\": \"f\"}] done"), "f({})| done");
}

TEST(ToolFormat, Functools) {
  const auto run = [](const std::string& text) { return parsed("functools", text); };
  EXPECT_EQ(run(" functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"), "f({\"a\": 1})");
  EXPECT_EQ(run("functools[{\"name\": \"f\"}, {\"name\": \"g\"}]"), "f({})|g({})");
  for (const char* text : {"import functools\n[1]", "functools[1]", "functools[", "functools[]"}) {
    EXPECT_EQ(run(text), text);
  }
}

TEST(ToolFormat, InternLm) {
  const auto run = [](const std::string& text) { return parsed("internlm", text); };
  EXPECT_EQ(run("So: <|action_start|><|plugin|>\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}"
                "<|action_end|>\n"),
            "So: |f({\"a\": 1})");
  EXPECT_EQ(run("<|action_start|><|interpreter|>1"), "<|action_start|><|interpreter|>1");
}

TEST(ToolFormat, Glm4) {
  const auto run = [](const std::string& text) { return parsed("glm4", text); };
  EXPECT_EQ(run("f\n{\"a\": [1, \"}\"]}"), "f({\"a\": [1, \"}\"]})");
  EXPECT_EQ(run("\nf \n {}<|observation|>"), "f({})");
  EXPECT_EQ(run("\nLet me see.<|assistant|>f\n{}\n<|assistant|>g\n{\"a\": 1}"),
            "\nLet me see.|f({})|g({\"a\": 1})");
  EXPECT_EQ(run("f\n{}\nThat is all"), "f({})|\nThat is all");
  EXPECT_EQ(run("f\n{\"a\": \"x"), "f({\"a\": \"x)");
  for (const char* text : {"nobody\n{}", "f", "f\n", "f {}", "f\nx", "f\n[1]", "{\"a\": 1}",
                           "\nnobody\n{", "a f\n{}", "<|obs", "f<|assis"}) {
    EXPECT_EQ(run(text), text);
  }
}

TEST(ToolFormat, Pythonic) {
  const auto run = [](const std::string& text) { return parsed("pythonic", text); };
  EXPECT_EQ(run("[f(a=1, b=\"x, y)\"), g()]"), "f({\"a\": 1, \"b\": \"x, y)\"})|g({})");
  EXPECT_EQ(run("<|python_start|>[f(a = 'it\\'s', b={'k': [True, None]},)]<|python_end|>\n"),
            "f({\"a\": \"it's\", \"b\": {\"k\": [true, null]}})");
  EXPECT_EQ(run("[f(-1.5, [(1, 2)], n=-2)]"), "f({\"a\": -1.5, \"b\": [[1, 2]], \"n\": -2})");
  EXPECT_EQ(run("[f(a=now(1, 2))] done"), "f({\"a\": \"now(1, 2)\"})| done");
  EXPECT_EQ(run("[f(), no more"), "f({})|, no more");
  for (const char* text :
       {"[1, 2]", "[nobody()]", "[f]", "[f", "[", "[]", "Look: [f()]", "f()", "[f[0]]", "[\"f(\"]",
        "<|python_start|>print(1)", "[f g()]", "<|python"}) {
    EXPECT_EQ(run(text), text);
  }
  EXPECT_EQ(run("[f(a=1, b='x"), "f({\"a\": 1)");
  // Strings in three quotes, and empty ones.
  EXPECT_EQ(run("[f(a=\"\"\"x\"y, (z\"\"\", b=1)]"), "f({\"a\": \"x\\\"y, (z\", \"b\": 1})");
  EXPECT_EQ(run("[f(a='\'\'it's)'\'\', b='')]"), "f({\"a\": \"it's)\", \"b\": \"\"})");
  EXPECT_EQ(run("[f(a=\"\", b=[\"\", ''], c='')]"),
            "f({\"a\": \"\", \"b\": [\"\", \"\"], \"c\": \"\"})");
  // By place: what has no value yet; a name's first value stays.
  EXPECT_EQ(run("[f(a=1, 2)]"), "f({\"a\": 1, \"b\": 2})");
  EXPECT_EQ(run("[f(1, a=2, b=3)]"), "f({\"a\": 1, \"b\": 3})");
}

TEST(ToolFormat, FoundByTheTemplate) {
  EXPECT_EQ(find_tool_format("... <|tool_call|> ...").name, "granite");
  EXPECT_EQ(find_tool_format("... <|tool|> ... <|tool_call|> ...").name, "phi4_mini");
  EXPECT_EQ(find_tool_format("... <|action_start|><|plugin|> ...").name, "internlm");
  EXPECT_EQ(find_tool_format("... functools[{...}] ...").name, "functools");
  EXPECT_EQ(find_tool_format("[gMASK]<sop> ... metadata ...").name, "glm4");
  EXPECT_EQ(find_tool_format("ipython, parameters: [func_name1(a=1)]").name, "pythonic");
  EXPECT_EQ(find_tool_format("{{ messages }}").name, "generic");
  EXPECT_EQ(find_tool_format("... <tool_call> ...").name, "hermes");
  EXPECT_EQ(find_tool_format("<tool_call>\n<function=f>\n<parameter=p>").name, "qwen3_coder");
  EXPECT_EQ(find_tool_format("<tool_call>\n<arg_key>k</arg_key>\n<arg_value>").name, "glm45");
  EXPECT_EQ(find_tool_format("... <|python_tag|> ...").name, "llama3");
  EXPECT_EQ(find_tool_format("... [TOOL_CALLS] ...").name, "mistral");
}

TEST(ToolFormat, RefinedFormatsAreThere) {
  for (const ToolFormatDef* def : server_tool_format_list()) {
    if (!def->refines.empty()) EXPECT_EQ(format(def->refines).name, def->refines) << def->name;
  }
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
    const std::string call = f.open + written_call(f, Json::object()) + f.close;
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

// Whether `text` begins with one of the format's openings behind white space. Where a call begins
// with the name of its tool: with a word, or the opening, which begins a part, stands anywhere.
bool opens(std::string_view text, const ToolFormatDef& def) {
  const bool by_name = def.form("f", "").trigger.starts_with("f\n");
  if (by_name && text.find(def.openings.at(0)) != text.npos) return true;
  text = trim_space(text);
  return (by_name && !text.empty() && std::isalnum(static_cast<unsigned char>(text[0])) != 0) ||
         std::ranges::any_of(def.openings, [&](auto one) { return text.starts_with(one); });
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
                                          "<function=",
                                          "</function>",
                                          "<parameter=",
                                          "</parameter>",
                                          "n>",
                                          "<arg_key>",
                                          "</arg_key>",
                                          "<arg_value>",
                                          "</arg_value>",
                                          "<|tool_call|>",
                                          "<|/tool_call|>",
                                          "functools[",
                                          "<|assistant|>",
                                          "x(",
                                          ")",
                                          "=",
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
      if (!def->openings.empty() && !opens(text, *def)) EXPECT_EQ(read, text);
    }
  }
}

// Where calls must be of their schemas, what no grammar holds is no call.
TEST(ToolFormat, HeldOnesAreReadInTheirFormAlone) {
  for (const ToolFormatDef* def : server_tool_format_list()) {
    for (const char* text : {" {\"name\": \"f\", \"arguments\": {}}", "```json\n{\"name\": \"f\"}",
                             "So: {\"name\": \"f\", \"parameters\": {}}"}) {
      if (!opens(text, *def)) EXPECT_EQ(parsed(def->name, text, true), text) << def->name;
    }
  }
}

// What an answer is held to is what the format reads: one call, and two where more may come.
TEST(ToolFormats, ReadTheCallsThatTheirFormMakes) {
  size_t forms = 0;
  for (const ToolFormatDef* def : server_tool_format_list()) {
    for (const char* chat_template : {"", "[TOOL_CALLS] [ARGS] </arg_key>\n"}) {
      const CallForm f = def->form("get-it_1.a", chat_template);
      EXPECT_TRUE((f.open + f.begin).starts_with(f.trigger)) << def->name;
      EXPECT_FALSE(f.begin.empty() || f.trigger.empty()) << def->name;
      const Json arguments = Json::parse(R"({"a": "]}<\"", "b": [1, {}]})");
      const std::string one = written_call(f, arguments);
      const auto read = [&](const std::string& text, bool held) {
        std::string out = parsed(def->name, text, held);
        std::erase(out, ' ');  // JSON's
        return out;
      };
      const std::string call = "get-it_1.a(" + arguments.dump() + ")";
      EXPECT_EQ(read(f.open + one + f.close, true), call) << def->name;
      EXPECT_EQ(read(f.open + one + f.separator + one + f.close, false), call + "|" + call)
          << def->name;
      ++forms;
    }
  }
  EXPECT_GE(forms, 20u);
}

}  // namespace
}  // namespace ingot
