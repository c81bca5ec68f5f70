#include "server/chat_messages.h"

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

ChatSegments chat_segments(const Json& body, const TextAssets& assets) {
  if (!assets.tokenizer || !assets.chat_template) {
    throw plain_error(400, "the model has no chat template: use /v1/completions");
  }
  ChatOptions options;
  const auto at = [&](const char* name) { return given(body, name); };
  if (const Json* more = at("chat_template_kwargs")) options.extra = *more;
  for (const char* name : {"documents", "reasoning_effort"}) {
    if (const Json* value = at(name)) options.extra[name] = *value;
  }
  const Json* choice = at("tool_choice");
  const Json* tools = at("tools");
  const bool none = choice != nullptr && *choice == "none";
  if (tools != nullptr && !tools->empty() && !none) options.extra["tools"] = *tools;
  if (const Json* open = at("add_generation_prompt")) options.add_generation_prompt = *open;
  try {
    return render_chat(assets, plain_messages(body["messages"]), options);
  } catch (const Error& error) {
    ApiError out = api_error_of(error);
    if (out.status == 400) out.param = "messages";
    throw out;
  }
}

std::vector<int32_t> chat_prompt(const Json& body, const TextAssets& assets) {
  return encode_chat(*assets.tokenizer, chat_segments(body, assets));
}

}  // namespace ingot
