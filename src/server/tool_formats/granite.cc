// <|tool_call|>[{"name": …, "arguments": …}, …]: Granite 3. Its templates write no calls.
#include "server/tool_list.h"

namespace ingot {
namespace tool_format_granite {

constexpr std::string_view kMark = "<|tool_call|>";

void arrange(Json& messages, Json& variables, std::string_view chat_template);

}  // namespace tool_format_granite

const ToolFormatDef& granite_tool_format() {
  using namespace tool_format_granite;
  static const ToolFormatDef def = {
      .name = "granite",
      .claims = [](std::string_view text) { return text.find(kMark) != text.npos; },
      .marks = {kMark},
      .make = [](ToolSink& sink) { return make_list_parser(sink, kMark); },
      .form = [](std::string_view name, std::string_view) { return list_form(name, kMark); },
      .arrange = arrange};
  return def;
}

namespace tool_format_granite {

void arrange(Json& messages, Json&, std::string_view chat_template) {
  const bool writes_calls = chat_template.find("tool_calls") != chat_template.npos;
  if (!writes_calls) write_calls(messages, granite_tool_format(), chat_template);
}

}  // namespace tool_format_granite
}  // namespace ingot
