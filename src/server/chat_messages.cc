#include "server/chat_messages.h"

#include <algorithm>

#include "server/api_error.h"
#include "server/tool_format.h"
#include "server/tool_prompt.h"
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

constexpr std::string_view kParsed = "parsed";

// Clients send what they have no value for as null; templates ask whether there is such a key.
Json without_nulls(const Json& message) {
  Json out = Json::object();
  for (const auto& [key, value] : message.items()) {
    if (!value.is_null() && key != kParsed) out[key] = value;
  }
  return out;
}

Json plain_messages(const Json& messages) {
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    Json message = without_nulls(messages[i]);
    const bool calls = message.contains("tool_calls");
    if (given(message, "content") != nullptr) {
      message["content"] =
          plain_content(message["content"], fmt::format("messages[{}].content", i));
    } else if (calls) {
      message["content"] = "";  // templates look at it, and not all know that there may be none
    } else {
      throw bad_request(fmt::format("messages[{}].content", i),
                        fmt::format("'messages[{}].content' is missing", i));
    }
    if (calls) {
      message["tool_calls"] =
          template_tool_calls(message["tool_calls"], fmt::format("messages[{}].tool_calls", i));
      if (message["tool_calls"].empty()) message.erase("tool_calls");
    }
    if (message["role"] == "developer") message["role"] = "system";
    out.push_back(std::move(message));
  }
  return out;
}

// Fields that a template gets as variables of the same names.
constexpr std::string_view kVariableFields[] = {"documents", "reasoning_effort"};

constexpr size_t kMostUnread = 16;  // names in a header

// Whether it may stand in a header.
bool is_short_name(std::string_view name) {
  constexpr size_t kMost = 64;
  return name.size() <= kMost && std::ranges::all_of(name, [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_';
         });
}

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

// The body's tools; null: none, or none that the template is to know.
const Json* shown_tools(const Json& body) {
  const Json* tools = given(body, "tools");
  const Json* choice = given(body, "tool_choice");
  const bool none = choice != nullptr && *choice == "none";
  return tools == nullptr || tools->empty() || none ? nullptr : tools;
}

void fit_call_ids(Json& messages, const ToolFormatDef& format) {
  const auto fit = [&](Json& object, const char* key) {
    const auto id = object.find(key);
    if (id != object.end() && id->is_string()) {
      *id = fitting_call_id(id->get_ref<const std::string&>(), format);
    }
  };
  for (Json& message : messages) {
    fit(message, "tool_call_id");
    if (given(message, "tool_calls") == nullptr) continue;
    for (Json& call : message["tool_calls"]) fit(call, "id");
  }
}

// A template with a form for calls gets tools and calls as they are. One without gets text, of the
// calls only where it does not write them itself.
ChatSegments render_messages(const Json& body, Json messages, const TextAssets& assets,
                             ChatOptions& options) {
  const Json* tools = shown_tools(body);
  const ToolFormatDef& format = find_tool_format(assets.template_source);
  if (format.claims != nullptr) {
    fit_call_ids(messages, format);
    if (tools != nullptr) options.extra["tools"] = *tools;
    if (format.arrange != nullptr) {
      format.arrange(messages, options.extra, assets.template_source);
    }
    return render_chat(assets, messages, options);
  }
  const Json* sent = given(body, "tools");
  const bool own_calls = assets.template_source.find("tool_calls") != std::string::npos;
  if (!own_calls || (sent != nullptr && !sent->empty()))
    messages = messages_without_tools(messages);
  if (tools == nullptr) return render_chat(assets, messages, options);
  return render_described(assets, messages, tool_description(*tools), options);
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
      {.name = kParsed,
       .kinds = kBoolField | kNumberField | kTextField | kListField | kObjectField,
       .open = true,
       .help = "what OpenAI's client read out of the content; not looked at"},
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
    throw bad_request("messages", "the model has no chat template: use /v1/completions");
  }
  ChatOptions options;
  const auto at = [&](const char* name) { return given(body, name); };
  options.extra = more_variables(body);
  for (const std::string_view name : kVariableFields) {
    if (const Json* value = given(body, name)) options.extra[std::string(name)] = *value;
  }
  if (const Json* open = at("add_generation_prompt")) options.add_generation_prompt = *open;
  const Json* going_on = at("continue_final_message");
  const bool goes_on = going_on != nullptr && *going_on == true;
  if (goes_on && options.add_generation_prompt) {
    throw bad_request("continue_final_message",
                      "'continue_final_message': goes with \"add_generation_prompt\": false alone");
  }
  const Json messages = plain_messages(body["messages"]);
  try {
    ChatSegments out = render_messages(body, messages, assets, options);
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
  const auto read = [&](std::string_view name) {
    return assets.chat_template && assets.chat_template->reads(name);
  };
  for (const std::string_view name : kVariableFields) {
    if (!read(name) && given(body, name) != nullptr) out.emplace_back(name);
  }
  const Json* more = given(body, "chat_template_kwargs");
  if (more == nullptr) return out;
  for (const auto& [name, value] : more->items()) {
    if (read(name)) continue;
    if (!is_short_name(name) || out.size() == kMostUnread) {
      out.emplace_back("chat_template_kwargs");  // for this one and those behind it
      break;
    }
    out.push_back("chat_template_kwargs." + name);
  }
  return out;
}

std::vector<int32_t> chat_prompt(const Json& body, const TextAssets& assets) {
  return encode_chat(*assets.tokenizer, chat_segments(body, assets));
}

}  // namespace ingot
