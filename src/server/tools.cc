#include "server/tools.h"

#include <algorithm>
#include <functional>

#include "server/api_error.h"
#include "server/chunk_writer.h"
#include "server/tool_parameters.h"
#include "server/tool_values.h"
#include "text/grammar/schema_check.h"

namespace ingot {
namespace {

bool is_tool_name(const std::string& name) {
  constexpr size_t kMost = 64;
  return !name.empty() && name.size() <= kMost &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-' || c == '.';
         });
}

void check_tool(const Json& tool, const std::string& path) {
  if (tool["type"] != "function") {
    throw bad_request(path + ".type", fmt::format("'{}.type': expected \"function\"", path));
  }
  const std::string inner = path + ".function";
  const Json& function = tool["function"];
  if (!is_tool_name(function["name"].get<std::string>())) {
    throw bad_request(
        inner + ".name",
        fmt::format("'{}.name': expected 1 to 64 letters, digits, '_', '-' and '.'", inner));
  }
}

// The tool that "tool_choice" names; empty: it names none.
std::string chosen_name(const Json& choice, const Json& tools) {
  if (choice.is_string()) return {};
  const bool whole = choice.contains("type") && choice["type"] == "function" &&
                     choice.contains("function") && choice["function"].is_object() &&
                     choice["function"].contains("name") && choice["function"]["name"].is_string();
  if (!whole) {
    throw bad_request("tool_choice",
                      "'tool_choice': expected none, auto, required or {\"type\": \"function\", "
                      "\"function\": {\"name\"}}");
  }
  const std::string name = choice["function"]["name"];
  const bool known = std::ranges::any_of(
      tools, [&](const Json& tool) { return tool["function"]["name"] == name; });
  if (known) return name;
  throw bad_request("tool_choice.function.name",
                    "'tool_choice.function.name': expected the name of one of 'tools'");
}

bool is_strict(const Json& function) {
  return function.contains("strict") && function["strict"] == true;
}

// What of `parameters`, a tool's or null, is written as text.
Json members_of(const Json* parameters, const MemberForm& form) {
  Json out = {{"begin", form.begin},         {"middle", form.middle}, {"end", form.end},
              {"separator", form.separator}, {"names", form.names},   {"no_text", form.no_text},
              {"no_either", kReadAsJson},    {"others", "json"}};
  if (form.no_text.empty()) return out;
  // A schema that is too large is refused as such before its members count.
  const bool large = parameters != nullptr && parameters->dump().size() > SchemaLimits().max_bytes;
  if (large) return out;
  constexpr const char* kKinds[] = {"text", "json", "either"};
  const ValueKinds kinds = value_kinds(parameters);
  out["others"] = kKinds[static_cast<size_t>(kinds.others)];
  for (const auto& [name, kind] : kinds.names) {
    out["values"][kKinds[static_cast<size_t>(kind)]].push_back(name);
  }
  return out;
}

Json structure_of(const Json& function, const CallForm& form) {
  const Json* parameters = given(function, "parameters");
  Json out = {
      {"begin", form.begin},
      {"schema", parameters == nullptr ? Json{{"type", "object"}} : closed_parameters(*parameters)},
      {"end", form.end}};
  if (form.members) out["members"] = members_of(parameters, *form.members);
  return out;
}

StructureWish schema_of(const Json& function, size_t at) {
  return {fmt::format("tools[{}].function.parameters", at),
          {GrammarKind::kJsonSchema, function["parameters"].dump()}};
}

// Calls and nothing else: of the tool `name`, or, where it is empty, of any. `lax`: arguments of
// tools that are not strict are any object.
Json calls_source(const Json& tools, const std::string& name, bool lax, bool parallel,
                  const ToolFormatDef& format, std::string_view chat_template,
                  std::vector<StructureWish>& parts) {
  Json calls = {{"structures", Json::array()}};
  for (size_t i = 0; i < tools.size(); ++i) {
    Json function = tools[i]["function"];
    const std::string own = function["name"];
    if (!name.empty() && own != name) continue;
    if (lax && !is_strict(function)) function.erase("parameters");
    const CallForm form = format.form(own, chat_template);
    calls["structures"].push_back(structure_of(function, form));
    if (given(function, "parameters") != nullptr) parts.push_back(schema_of(function, i));
    calls["open"] = form.open;
    calls["close"] = form.close;
    calls["separator"] = form.separator;
  }
  calls["most"] = name.empty() && parallel ? 0 : 1;
  return calls;
}

StructureWish forced_calls(const Json& tools, const std::string& name, bool parallel,
                           const ToolFormatDef& format, std::string_view chat_template) {
  StructureWish out{"tools", {GrammarKind::kCalls, ""}};
  out.source.text =
      calls_source(tools, name, false, parallel, format, chat_template, out.parts).dump();
  return out;
}

// Free text, in which calls are of their tools' schemas; of those that are not strict, any object.
// Text that is no call to the parser has no bounds.
StructureWish strict_calls(const Json& tools, bool parallel, const ToolFormatDef& format,
                           std::string_view chat_template) {
  StructureWish out{"tools", {GrammarKind::kStructuralTags, ""}};
  if (!format.openings.empty()) {
    Json calls = calls_source(tools, "", true, parallel, format, chat_template, out.parts);
    calls["text"] = format.openings;
    for (const Json& tool : tools) {
      const std::string name = tool["function"]["name"];
      calls["text"].push_back(format.form(name, chat_template).trigger);
    }
    out.source = {GrammarKind::kCalls, calls.dump()};
    return out;
  }
  Json tags = {{"structures", Json::array()}, {"triggers", Json::array()}};
  for (size_t i = 0; i < tools.size(); ++i) {
    Json function = tools[i]["function"];
    if (!is_strict(function)) function.erase("parameters");
    CallForm form = format.form(function["name"].get<std::string>(), chat_template);
    form.begin = form.open + form.begin;
    form.end += form.close;
    tags["structures"].push_back(structure_of(function, form));
    tags["triggers"] = Json::array({form.trigger});
    if (function.contains("parameters")) out.parts.push_back(schema_of(function, i));
  }
  out.source.text = tags.dump();
  return out;
}

// Within the bounds of a body of its own.
Json parsed_arguments(const Json& arguments, const std::string& path) {
  Json out = arguments;
  if (arguments == "") {
    out = Json::object();  // of a tool that takes none, as streams of some servers add up
  } else if (arguments.is_string()) {
    try {
      out = parse_body(arguments.get_ref<const std::string&>(), "it");
    } catch (const ApiError& error) {
      throw bad_request(
          path, fmt::format("'{}': expected a JSON object as a string; {}", path, error.message));
    }
  }
  if (out.is_object()) return out;
  throw bad_request(path, fmt::format("'{}': expected a JSON object as a string", path));
}

std::vector<int32_t> ids_of(const ToolFormatDef& format, const Tokenizer& tokenizer) {
  std::vector<int32_t> out;
  for (const std::string_view mark : format.marks) {
    const int32_t id = tokenizer.token_to_id(mark);
    if (id >= 0) out.push_back(id);
  }
  return out;
}

// Hands on what begins as a call; else all is text.
class CallsOrText final : public ToolParser {
 public:
  CallsOrText(const ToolWish& wish, ToolSink& sink)
      : beginnings_(wish.beginnings), sink_(sink), calls_(wish.format->make(sink)) {}

  void push(std::string_view text) override {
    if (at_ == At::kCalls) return calls_->push(text);
    if (at_ == At::kText) return sink_.content(text);
    held_ += text;
    const bool calls =
        std::ranges::any_of(beginnings_, [&](auto& one) { return held_.starts_with(one); });
    const bool may =
        std::ranges::any_of(beginnings_, [&](auto& one) { return one.starts_with(held_); });
    if (!calls && may) return;
    at_ = calls ? At::kCalls : At::kText;
    push(std::exchange(held_, {}));
  }

  void end() override {
    calls_->push(held_);
    calls_->end();
  }

 private:
  enum class At { kStart, kCalls, kText };
  const std::vector<std::string>& beginnings_;
  ToolSink& sink_;
  const std::unique_ptr<ToolParser> calls_;
  At at_ = At::kStart;
  std::string held_;
};

std::string delta_of(std::string_view key, std::string_view text) {
  std::string out = fmt::format(R"({{"{}":)", key);
  append_json_string(text, out);
  return out + "}";
}

}  // namespace

const OfferedTool* ToolWish::find(std::string_view name) const {
  const auto found = std::ranges::find(tools, name, &OfferedTool::name);
  return found == tools.end() ? nullptr : &*found;
}

const Json* ToolWish::parameters(std::string_view name) const {
  const OfferedTool* tool = find(name);
  return tool == nullptr || tool->parameters.is_null() ? nullptr : &tool->parameters;
}

Field tool_list_field() {
  return {.name = "tools",
          .kinds = kListField,
          .max = 1024,
          .fields = {{.name = "type", .kinds = kTextField, .required = true},
                     {.name = "function",
                      .kinds = kObjectField,
                      .fields = {{.name = "name", .kinds = kTextField, .required = true},
                                 {.name = "description", .kinds = kTextField},
                                 {.name = "parameters", .kinds = kObjectField, .open = true},
                                 {.name = "strict", .kinds = kBoolField}},
                      .required = true}}};
}

std::vector<Field> tool_fields() {
  return {
      tool_list_field(),
      {.name = "tool_choice",
       .kinds = kTextField | kObjectField,
       .one_of = {"none", "auto", "required"},
       .open = true},
      {.name = "parallel_tool_calls", .kinds = kBoolField},
  };
}

ToolWish read_tools(const Json& body, const TextAssets& assets) {
  ToolWish out;
  const Json* tools = given(body, "tools");
  const Json* choice = given(body, "tool_choice");
  const bool some = tools != nullptr && !tools->empty();
  const bool none = choice != nullptr && *choice == "none";
  const bool forced = choice != nullptr && !none && *choice != "auto";
  if (forced && !some) throw bad_request("tool_choice", "'tool_choice': goes with tools alone");
  if (!some) return out;
  for (size_t i = 0; i < tools->size(); ++i) check_tool((*tools)[i], fmt::format("tools[{}]", i));
  const std::string name = forced ? chosen_name(*choice, *tools) : "";
  if (const Json* parallel = given(body, "parallel_tool_calls")) out.parallel = *parallel;
  if (none) return out;
  out.format = &find_tool_format(assets.template_source);
  if (assets.tokenizer) out.shown = ids_of(*out.format, *assets.tokenizer);
  for (const Json& tool : *tools) {
    const Json& function = tool["function"];
    const Json* parameters = given(function, "parameters");
    out.tools.push_back(
        {function["name"], parameters ? *parameters : Json(), forced || is_strict(function)});
  }
  out.named = !name.empty();
  out.forced = forced;
  const std::string_view source = assets.template_source;
  if (forced) {
    out.structure = forced_calls(*tools, name, out.parallel, *out.format, source);
  } else if (std::ranges::any_of(*tools, [](const Json& t) { return is_strict(t["function"]); })) {
    out.structure = strict_calls(*tools, out.parallel, *out.format, source);
  }
  out.held = out.structure.has_value();
  return out;
}

std::optional<StructureWish> form_beside_calls(ToolWish& tools,
                                               const std::optional<StructureWish>& text,
                                               const Json& body, const TextAssets& assets) {
  if (tools.format == nullptr) return std::nullopt;
  std::optional<StructureWish> out = tools.structure;
  if (text) {
    const bool json = text->source.kind == GrammarKind::kJsonSchema ||
                      text->source.kind == GrammarKind::kJsonObject;
    if (!json) {
      const std::string field = text->field.substr(0, text->field.find('.'));
      throw bad_request("tools", fmt::format("'tools': do not go with '{}', except with "
                                             "\"tool_choice\": \"none\"",
                                             field));
    }
  }
  if (text && !tools.forced) {
    out = StructureWish{text->field, {GrammarKind::kCalls, ""}, {}, {*text}};
    Json calls = calls_source(body["tools"], "", true, tools.parallel, *tools.format,
                              assets.template_source, out->parts);
    calls["answer"] =
        text->source.kind == GrammarKind::kJsonObject ? R"({"type": "object"})" : text->source.text;
    out->source.text = calls.dump();
    for (const OfferedTool& tool : tools.tools) {
      const CallForm form = tools.format->form(tool.name, assets.template_source);
      tools.beginnings.push_back(form.open + form.begin);
    }
  }
  if (!out) return out;
  out->marks = tools.shown;
  tools.held = true;
  return out;
}

std::unique_ptr<ToolParser> tool_parser(const ToolWish& wish, ToolSink& sink) {
  if (wish.beginnings.empty()) return wish.format->make(sink);
  return std::make_unique<CallsOrText>(wish, sink);
}

Json template_tool_calls(const Json& calls, const std::string& path) {
  Json out = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string inner = fmt::format("{}[{}]", path, i);
    const Json& call = calls[i];
    const bool whole = call.is_object() && call.contains("function") &&
                       call["function"].is_object() && call["function"].contains("name") &&
                       call["function"]["name"].is_string();
    if (!whole) {
      throw bad_request(inner, fmt::format("'{}': expected {{\"id\", \"type\", \"function\": "
                                           "{{\"name\", \"arguments\"}}}}",
                                           inner));
    }
    Json one = call;
    const Json& sent = call["function"];
    const Json arguments = sent.contains("arguments") ? sent["arguments"] : Json("{}");
    // In the order in which models write them: some templates write the object as it is.
    Json function = {{"name", sent["name"]},
                     {"arguments", parsed_arguments(arguments, inner + ".function.arguments")}};
    for (const auto& [key, value] : sent.items()) {
      // The last is what OpenAI's client read out of the arguments.
      if (!function.contains(key) && key != "parsed_arguments") function[key] = value;
    }
    one["function"] = std::move(function);
    out.push_back(std::move(one));
  }
  return out;
}

void CallEnd::begin() {
  span_ = {};
  open_ = true;
}

void CallEnd::arguments(std::string_view json) {
  for (size_t i = 0; i < json.size() && open_; ++i) open_ = span_.push(json[i]) == JsonStep::kMore;
}

// Where calls must come, text is a call that was cut before its name.
void WholeAnswer::content(std::string_view text) {
  if (!wish_.forced) content_ += text;
}

void WholeAnswer::begin_call(std::string_view name) {
  dropping_ = !wish_.parallel && !calls_.empty();
  if (dropping_) return;
  calls_.push_back({std::string(name), {}});
  end_.begin();
}

void WholeAnswer::arguments(std::string_view json) {
  if (dropping_) return;
  calls_.back().arguments += json;
  end_.arguments(json);
}

Json WholeAnswer::message(const std::function<std::string()>& new_id) const {
  Json out = {{"role", "assistant"}, {"content", content_}, {"refusal", nullptr}};
  if (calls_.empty()) return out;
  if (content_.empty()) out["content"] = nullptr;
  Json calls = Json::array();
  for (const One& call : calls_) {
    calls.push_back({{"id", new_id()},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  out["tool_calls"] = std::move(calls);
  return out;
}

void DeltaAnswer::content(std::string_view text) {
  if (wish_.forced) return;
  if (!arguments_.empty()) flush();
  text_ += text;
}

void DeltaAnswer::begin_call(std::string_view name) {
  flush();
  dropping_ = !wish_.parallel && calls_ > 0;
  if (dropping_) return;
  std::string delta = fmt::format(
      R"({{"tool_calls":[{{"index":{},"id":"{}","type":"function","function":{{"name":)", calls_,
      new_id_());
  append_json_string(name, delta);
  deltas_.push_back(delta + R"(,"arguments":""}}]})");
  ++calls_;
  end_.begin();
}

void DeltaAnswer::arguments(std::string_view json) {
  if (dropping_) return;
  arguments_ += json;
  end_.arguments(json);
}

void DeltaAnswer::flush() {
  if (!text_.empty()) deltas_.push_back(delta_of("content", text_));
  if (!arguments_.empty()) {
    deltas_.push_back(fmt::format(R"({{"tool_calls":[{{"index":{},"function":{}}}]}})", calls_ - 1,
                                  delta_of("arguments", arguments_)));
  }
  text_.clear();
  arguments_.clear();
}

std::vector<std::string> DeltaAnswer::take() {
  flush();
  return std::exchange(deltas_, {});
}

}  // namespace ingot
