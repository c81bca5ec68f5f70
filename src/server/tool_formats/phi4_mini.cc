// <|tool_call|>[{"name": …, "arguments": …}, …]<|/tool_call|>: Phi-4-mini. Its template shows the
// tools that the system message brings, as text, and writes no calls.
#include "server/tool_list.h"

namespace ingot {
namespace tool_format_phi4_mini {

constexpr std::string_view kTools = "<|tool|>";
constexpr std::string_view kOpen = "<|tool_call|>";
constexpr std::string_view kClose = "<|/tool_call|>";

void arrange(Json& messages, Json& variables, std::string_view chat_template);

}  // namespace tool_format_phi4_mini

const ToolFormatDef& phi4_mini_tool_format() {
  using namespace tool_format_phi4_mini;
  static const ToolFormatDef def = {
      .name = "phi4_mini",
      .claims = [](std::string_view text) { return text.find(kTools) != text.npos; },
      .marks = {kOpen, kClose},
      .make = [](ToolSink& sink) { return make_list_parser(sink, kOpen, kClose); },
      .form = [](std::string_view name,
                 std::string_view) { return list_form(name, kOpen, kClose); },
      .refines = "granite",
      .arrange = arrange};
  return def;
}

namespace tool_format_phi4_mini {

void arrange(Json& messages, Json& variables, std::string_view chat_template) {
  write_calls(messages, phi4_mini_tool_format(), chat_template);
  const auto tools = variables.find("tools");
  if (tools == variables.end()) return;
  Json functions = Json::array();
  for (const Json& tool : *tools) functions.push_back(tool["function"]);
  if (messages.empty() || messages[0]["role"] != "system") {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", ""}});
  }
  messages[0]["tools"] = functions.dump();
}

}  // namespace tool_format_phi4_mini
}  // namespace ingot
