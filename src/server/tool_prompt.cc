#include "server/tool_prompt.h"

#include <algorithm>

#include "server/api_error.h"

namespace ingot {
namespace {

// The name and arguments alone, in the order in which a model is to write them.
std::string call_text(const Json& call) {
  const Json& function = call["function"];
  const Json one = {{"name", function["name"]}, {"arguments", function["arguments"]}};
  return fmt::format("<tool_call>\n{}\n</tool_call>", one.dump());
}

std::string text_of(const Json& message) {
  const auto content = message.find("content");
  return content != message.end() && content->is_string() ? content->get<std::string>() : "";
}

bool is_from(const Json& message, std::string_view role) { return message["role"] == role; }

void append_block(std::string& text, std::string_view more, std::string_view between) {
  if (!text.empty()) text += between;
  text += more;
}

Json in_system_message(Json messages, const std::string& description) {
  if (messages.empty() || !is_from(messages[0], "system")) {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", description}});
    return messages;
  }
  std::string text = text_of(messages[0]);
  append_block(text, description, "\n\n");
  messages[0]["content"] = text;
  return messages;
}

Json in_user_message(Json messages, const std::string& description) {
  const auto at =
      std::ranges::find_if(messages, [](const Json& message) { return is_from(message, "user"); });
  if (at == messages.end()) {
    messages.insert(messages.begin(), Json{{"role", "user"}, {"content", description}});
    return messages;
  }
  (*at)["content"] = description + "\n\n" + text_of(*at);
  return messages;
}

}  // namespace

std::string tool_description(const Json& tools) {
  std::string out =
      "You can call tools. Each line is one of them, with the JSON Schema of its arguments:\n";
  for (const Json& tool : tools) {
    Json shown = Json::object();
    for (const char* key : {"name", "description", "parameters"}) {
      const auto value = tool["function"].find(key);
      if (value != tool["function"].end() && !value->is_null()) shown[key] = *value;
    }
    out += shown.dump() + "\n";
  }
  return out +
         "To call a tool, answer with a JSON object of its name and arguments between marks, as "
         "here:\n"
         "<tool_call>\n"
         "{\"name\": \"a_tool\", \"arguments\": {\"argument\": \"value\"}}\n"
         "</tool_call>\n"
         "Write one such block for each call and nothing behind them. What a tool returns comes "
         "between <tool_response> and </tool_response>. Where no tool helps, answer in words.";
}

Json messages_without_tools(const Json& messages) {
  Json out = Json::array();
  bool results = false;  // the newest of `out` ends with one
  for (const Json& message : messages) {
    const bool result = is_from(message, "tool");
    const std::string said = text_of(message);
    const std::string text =
        result ? fmt::format("<tool_response>\n{}\n</tool_response>", said) : said;
    const bool of_user = result || is_from(message, "user");
    const bool joins =
        (result || results) && of_user && !out.empty() && is_from(out.back(), "user");
    const std::string_view between = result && results ? "\n" : "\n\n";
    results = result;
    if (joins) {
      Json& content = out.back()["content"];  // in place: results may be many
      if (!content.is_string()) content = text_of(out.back());
      append_block(content.get_ref<std::string&>(), text, between);
      continue;
    }
    if (result) {
      out.push_back({{"role", "user"}, {"content", text}});
      continue;
    }
    Json one = message;
    const auto calls = one.find("tool_calls");
    if (calls != one.end()) {
      std::string with_calls = said;
      if (calls->is_array()) {
        for (const Json& call : *calls) append_block(with_calls, call_text(call), "\n");
      }
      one.erase("tool_calls");
      one["content"] = with_calls;
    }
    out.push_back(std::move(one));
  }
  return out;
}

ChatSegments render_described(const TextAssets& assets, const Json& messages,
                              const std::string& description, const ChatOptions& options) {
  const auto shows = [&](const ChatSegments& segments) {
    return chat_text(segments).find(description) != std::string::npos;
  };
  try {
    ChatSegments out = render_chat(assets, in_system_message(messages, description), options);
    if (shows(out)) return out;
  } catch (const Error&) {
    if (!messages.empty() && is_from(messages[0], "system")) throw;
  }
  ChatSegments out = render_chat(assets, in_user_message(messages, description), options);
  if (shows(out)) return out;
  throw bad_request("tools",
                    "'tools': the model's chat template has no form for them, and writes neither a "
                    "system message nor the user's as it is, where they could be described");
}

}  // namespace ingot
