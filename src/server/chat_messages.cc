#include "server/chat_messages.h"

#include <algorithm>

#include "server/api_error.h"
#include "server/tools.h"

namespace ingot {
namespace {

// Parts of text in one string, a line each, as templates take content.
Json plain_content(const Json& content, const std::string& path) {
  if (!content.is_array()) return content;
  std::string out;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string inner = fmt::format("{}[{}]", path, i);
    const bool text =
        part.is_object() && part.contains("type") &&
        (part["type"] == "text" || part["type"] == "input_text" || part["type"] == "output_text") &&
        part.contains("text") && part["text"].is_string();
    if (!text) {
      throw bad_request(inner,
                        fmt::format("'{}': expected {{\"type\": \"text\", \"text\": …}}; other "
                                    "parts are not supported here",
                                    inner));
    }
    if (i > 0) out += '\n';
    out += part["text"].get_ref<const std::string&>();
  }
  return out;
}

Json plain_messages(const Json& messages) {
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    Json message = messages[i];
    const bool calls = given(message, "tool_calls") != nullptr;
    if (given(message, "content") != nullptr) {
      message["content"] =
          plain_content(message["content"], fmt::format("messages[{}].content", i));
    } else if (!calls) {
      throw bad_request(fmt::format("messages[{}].content", i),
                        fmt::format("'messages[{}].content' is missing", i));
    }
    if (calls) {
      message["tool_calls"] =
          template_tool_calls(message["tool_calls"], fmt::format("messages[{}].tool_calls", i));
    }
    if (message["role"] == "developer") message["role"] = "system";
    out.push_back(std::move(message));
  }
  return out;
}

// Fields that a template gets as variables of the same names.
constexpr std::string_view kVariableFields[] = {"documents", "reasoning_effort"};

// What a template has from elsewhere is not taken twice.
Json more_variables(const Json& body) {
  const Json* more = given(body, "chat_template_kwargs");
  if (more == nullptr) return Json::object();
  for (const auto& [name, value] : more->items()) {
    const bool field =
        name == "tools" || (std::ranges::find(kVariableFields, name) != std::end(kVariableFields) &&
                            given(body, name) != nullptr);
    if (!field && !ChatTemplate::reserved(name)) continue;
    const std::string path = "chat_template_kwargs." + name;
    throw bad_request(path, fmt::format("'{}': the chat template has this from {}", path,
                                        field ? "the field '" + name + "'" : "the server"));
  }
  return *more;
}

}  // namespace

std::vector<Field> message_fields() {
  return {
      {.name = "role",
       .kinds = kTextField,
       .one_of = {"system", "developer", "user", "assistant", "tool"},
       .required = true},
      {.name = "content", .kinds = kTextField | kListField},
      {.name = "name", .kinds = kTextField, .max = 256},
      {.name = "tool_calls", .kinds = kListField, .max = 1024},
      {.name = "tool_call_id", .kinds = kTextField, .max = 256},
      {.name = "reasoning_content", .kinds = kTextField},
      {.name = "reasoning", .kinds = kTextField},
      {.name = "refusal", .kinds = kTextField},
      {.name = "function_call", .use = FieldUse::kRefused},
      {.name = "audio", .use = FieldUse::kRefused},
      {.name = "annotations", .use = FieldUse::kRefused, .neutral = Json::array()},
  };
}

// Cuts what the template wrote behind the last message.
void cut_behind_content(const Json& messages, ChatSegments& segments) {
  const Json& content = messages.back()["content"];
  const std::string text = content.is_string() ? content.get<std::string>() : "";
  const auto said = [](const std::string& part) {
    return part.find_first_not_of(" \n\t\r") != part.npos;
  };
  while (!segments.empty() && !(segments.back().from_user && said(segments.back().text))) {
    segments.pop_back();
  }
  // The template may have trimmed it.
  const size_t end = text.find_last_not_of(" \n\t\r") + 1;
  std::string_view last = segments.empty() ? std::string_view() : segments.back().text;
  last = last.substr(0, last.find_last_not_of(" \n\t\r") + 1);
  if (last.empty() || !std::string_view(text).substr(0, end).ends_with(last)) {
    throw bad_request("continue_final_message",
                      "'continue_final_message': the model's chat template does not end with the "
                      "last message's text");
  }
}

ChatSegments chat_segments(const Json& body, const TextAssets& assets) {
  if (!assets.tokenizer || !assets.chat_template) {
    throw plain_error(400, "the model has no chat template: use /v1/completions");
  }
  ChatOptions options;
  const auto at = [&](const char* name) { return given(body, name); };
  options.extra = more_variables(body);
  for (const std::string_view name : kVariableFields) {
    if (const Json* value = given(body, name)) options.extra[std::string(name)] = *value;
  }
  const Json* choice = at("tool_choice");
  const Json* tools = at("tools");
  const bool none = choice != nullptr && *choice == "none";
  if (tools != nullptr && !tools->empty() && !none) options.extra["tools"] = *tools;
  if (const Json* open = at("add_generation_prompt")) options.add_generation_prompt = *open;
  const Json* going_on = at("continue_final_message");
  const bool goes_on = going_on != nullptr && *going_on == true;
  if (goes_on && options.add_generation_prompt) {
    throw bad_request("continue_final_message",
                      "'continue_final_message': goes with \"add_generation_prompt\": false alone");
  }
  const Json messages = plain_messages(body["messages"]);
  try {
    ChatSegments out = render_chat(assets, messages, options);
    if (goes_on) cut_behind_content(messages, out);
    return out;
  } catch (const Error& error) {
    ApiError out = api_error_of(error);
    if (out.status == 400) out.param = "messages";
    throw out;
  }
}

std::vector<std::string> unread_fields(const Json& body, const TextAssets& assets) {
  std::vector<std::string> out;
  for (const std::string_view name : kVariableFields) {
    const bool read = !assets.chat_template || assets.chat_template->reads(name);
    if (!read && given(body, name) != nullptr) out.emplace_back(name);
  }
  return out;
}

std::vector<int32_t> chat_prompt(const Json& body, const TextAssets& assets) {
  return encode_chat(*assets.tokenizer, chat_segments(body, assets));
}

}  // namespace ingot
