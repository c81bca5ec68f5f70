#include "server/tools.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "server/tool_parameters.h"
#include "tests/text/test_vocabularies.h"
#include "text/grammar.h"

namespace ingot {
namespace {

constexpr int32_t kDrawnEnd = 261;  // of byte_level_tokenizer()

const std::shared_ptr<const GrammarVocabulary>& drawn_vocabulary() {
  static const auto made = GrammarVocabulary::create(*byte_level_tokenizer(), {kDrawnEnd});
  return made;
}

// What a template must hold to be a format's; some have two spellings.
const std::multimap<std::string, std::string> kTemplates = {
    {"functools", "functools["},
    {"generic", ""},
    {"glm4", "[gMASK]<sop> metadata"},
    {"glm45", "<tool_call><arg_key></arg_key><arg_value>"},
    {"glm45", "<tool_call>\n<arg_key></arg_key>\n<arg_value>"},
    {"granite", "<|tool_call|>"},
    {"hermes", "<tool_call>"},
    {"internlm", "<|action_start|><|plugin|>"},
    {"llama3", "<|python_tag|>"},
    {"mistral", "[TOOL_CALLS]"},
    {"mistral", "[TOOL_CALLS] [ARGS]"},
    {"phi4_mini", "<|tool|>"},
    {"pythonic", "[func_name1("},
    {"qwen3_coder", "<tool_call><function=<parameter="}};

// An answer that masks allow, drawn at random; now and then it begins to write a mark of calls, and
// goes on with it while it may.
std::string drawn(const std::shared_ptr<const Grammar>& grammar, std::mt19937_64& random) {
  static const std::vector<std::string> marks = {"\n</parameter>\n",
                                                 "</parameter></function>",
                                                 "</function>\n</tool_call>",
                                                 "<tool_call>\n",
                                                 "<parameter=",
                                                 "</arg_value>",
                                                 "</arg_value>\n</tool_call>",
                                                 "<arg_key>",
                                                 "}",
                                                 "]",
                                                 ")]",
                                                 "\"",
                                                 "f\n{",
                                                 "12",
                                                 "null"};
  GrammarMatcher matcher(grammar);
  std::vector<uint32_t> bits(drawn_vocabulary()->mask_words());
  const auto allowed = [&](int32_t id) {
    return (bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
  };
  std::string text, mark;
  for (int step = 0; step < 1500; ++step) {
    EXPECT_EQ(matcher.mask(bits), GrammarMatcher::Result::kOk);
    if (mark.empty() && random() % 4 == 0) mark = marks[random() % marks.size()];
    int32_t token = mark.empty() ? kDrawnEnd : static_cast<unsigned char>(mark[0]);
    if (!mark.empty()) mark.erase(0, 1);
    if (!allowed(token)) {
      mark.clear();
      std::vector<int32_t> bytes;
      for (int32_t id = 0; id < 256; ++id) {
        if (allowed(id)) bytes.insert(bytes.end(), id < 128 ? 8 : 1, id);
      }
      if (bytes.empty()) break;
      token = bytes[random() % bytes.size()];
    }
    EXPECT_EQ(matcher.accept(token), GrammarMatcher::Result::kOk);
    if (token == kDrawnEnd) return text;
    text += static_cast<char>(token);
  }
  return "";
}

// Looks at the text, for a large number is another one when it is parsed; control characters that
// have a short name have it in a grammar.
bool fits(const Json& schema, std::string arguments) {
  for (const auto& [code, escape] : std::map<std::string, std::string>{{"\\u0008", "\\b"},
                                                                       {"\\u0009", "\\t"},
                                                                       {"\\u000c", "\\f"},
                                                                       {"\\u000d", "\\r"},
                                                                       {"\\u007f", "\x7f"}}) {
    for (size_t at = 0; (at = arguments.find(code)) != arguments.npos;) {
      arguments.replace(at, code.size(), escape);
    }
  }

  static std::map<std::string, std::shared_ptr<const Grammar>> grammars;
  auto& grammar = grammars[schema.dump()];
  if (!grammar) {
    grammar = Grammar::compile(drawn_vocabulary(), {GrammarKind::kJsonSchema, schema.dump()});
  }
  GrammarMatcher matcher(grammar);
  for (const char c : arguments) {
    if (matcher.accept(static_cast<unsigned char>(c)) != GrammarMatcher::Result::kOk) return false;
  }
  return matcher.can_end();
}

const char* const kSchemas[] = {
    R"({"type": "object"})",
    R"({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "required": ["b"]})",
    R"({"type": "object", "properties": {"a": {"type": ["string", "null"]},
        "b": {"anyOf": [{"type": "string", "maxLength": 4}, {"type": "integer", "minimum": 50}]},
        "c": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
        "required": ["a", "b", "c"]})",
    R"({"type": "object", "properties": {"a": {"enum": ["x", "12", 12, null, "</parameter>"]}},
        "required": ["a"], "additionalProperties": {"type": "boolean"}})",
    R"({"$ref": "#/$defs/P", "$defs": {"P": {"type": "object", "properties":
        {"s": {"$ref": "#/$defs/S"}, "o": {"type": "object",
        "properties": {"t": {"type": "string"}}, "required": ["t"]}}, "required": ["s", "o"]},
        "S": {"type": "string", "pattern": "^[a-z0-9<>/\\n]{1,20}$"}}})",
    R"({"enum": [{"b": [true]}, {"t": "text", "n": null}]})",
    R"({"type": "object", "patternProperties": {"^k[0-9]$": {"type": ["string", "number"]}},
        "additionalProperties": false, "minProperties": 1, "maxProperties": 2})"};

// Whatever masks let through, its calls are read as calls of their schemas.
TEST(Tools, HeldCallsAreReadAsTheirSchemasSay) {
  for (const ToolFormatDef* def : server_tool_format_list()) {
    ASSERT_TRUE(kTemplates.contains(std::string(def->name))) << def->name;
  }
  for (const auto& [name, source] : kTemplates) {
    TextAssets assets;
    assets.template_source = source;
    std::mt19937_64 random(1);
    size_t calls = 0;
    for (const char* schema : kSchemas) {
      const Json parameters = Json::parse(schema);
      Json body = {{"tool_choice", "required"}, {"tools", Json::array()}};
      body["tools"].push_back(
          {{"type", "function"}, {"function", {{"name", "f"}, {"parameters", parameters}}}});
      const ToolWish wish = read_tools(body, assets);
      ASSERT_EQ(wish.format->name, name);
      const auto grammar = Grammar::compile(drawn_vocabulary(), wish.structure->source);
      for (int i = 0; i < 20; ++i) {
        const std::string text = drawn(grammar, random);
        if (text.empty()) continue;
        WholeAnswer answer(wish);
        const auto parser = tool_parser(wish, answer);
        parser->push(text);
        parser->end();
        const Json message = answer.message([] { return "id"; });
        ASSERT_TRUE(answer.has_calls()) << text;
        for (const Json& call : message["tool_calls"]) {
          const std::string said = call["function"]["arguments"];
          EXPECT_TRUE(Json::accept(said)) << said;
          EXPECT_TRUE(fits(closed_parameters(parameters), said)) << name << " " << schema << "\n"
                                                                 << text << "\n"
                                                                 << said;
          ++calls;
        }
      }
    }
    EXPECT_GT(calls, 20U) << name;
  }
}

// Arguments of tools that are not strict are any; what a value of them holds ends no call.
TEST(Tools, LaxCallsAreReadToTheirEnds) {
  const Json tool = {{"name", "f"},
                     {"parameters", {{"additionalProperties", {{"type", "array"}}}}}};
  Json body = {{"tools", Json::array()}};
  body["tools"].push_back({{"type", "function"}, {"function", tool}});
  for (const auto& [name, source] : kTemplates) {
    TextAssets assets;
    assets.template_source = source;
    ToolWish wish = read_tools(body, assets);
    const StructureWish json{"response_format", {GrammarKind::kJsonObject, ""}};
    const auto form = form_beside_calls(wish, json, body, assets);
    EXPECT_TRUE(wish.held);
    EXPECT_FALSE(wish.strict("f"));
    const auto grammar = Grammar::compile(drawn_vocabulary(), form->source);
    std::mt19937_64 random(2);
    size_t calls = 0;
    for (int i = 0; i < 30; ++i) {
      const std::string text = drawn(grammar, random);
      if (text.empty() || text[0] == '{') continue;
      WholeAnswer answer(wish);
      const auto parser = tool_parser(wish, answer);
      parser->push(text);
      parser->end();
      ASSERT_TRUE(answer.has_calls()) << name << "\n" << text;
      const Json message = answer.message([] { return "id"; });
      EXPECT_EQ(message["content"], nullptr) << name << "\n" << text;
      for (const Json& call : message["tool_calls"]) {
        const std::string said = call["function"]["arguments"];
        EXPECT_TRUE(Json::parse(said, nullptr, false).is_object()) << text << "\n" << said;
        ++calls;
      }
    }
    EXPECT_TRUE(calls > 5 || name == "llama3") << name << " " << calls;
  }
}

// JSON that stands in place of calls is text, whatever calls its strings spell.
TEST(Tools, AnswersInAJsonFormMayTellOfCalls) {
  Json body = {{"tools", Json::array()}};
  body["tools"].push_back({{"type", "function"}, {"function", {{"name", "f"}}}});
  for (const auto& [name, source] : kTemplates) {
    TextAssets assets;
    assets.template_source = source;
    ToolWish wish = read_tools(body, assets);
    const StructureWish json{"response_format", {GrammarKind::kJsonObject, ""}};
    form_beside_calls(wish, json, body, assets);
    const auto read = [&](const std::string& text, size_t piece) {
      WholeAnswer answer(wish);
      const auto parser = tool_parser(wish, answer);
      for (size_t at = 0; at < text.size(); at += piece) parser->push(text.substr(at, piece));
      parser->end();
      return answer.message([] { return "id"; });
    };
    const CallForm form = wish.format->form("f", source);
    const std::string call = form.open + written_call(form, Json::object()) + form.close;
    const std::string told = Json{{"told", call + "<tool_call>f</tool_call>"}}.dump();
    for (const size_t piece : {size_t{1}, size_t{7}, told.size()}) {
      EXPECT_EQ(read(told, piece)["content"], told) << name;
      EXPECT_FALSE(read(told, piece).contains("tool_calls")) << name;
      EXPECT_EQ(read(call, piece)["tool_calls"].size(), 1U) << name << "\n" << call;
    }
    EXPECT_EQ(read(call.substr(0, 1), 1)["content"], call.substr(0, 1)) << name << ": cut";
  }
}

}  // namespace
}  // namespace ingot
