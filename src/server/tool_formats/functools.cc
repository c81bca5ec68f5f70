// functools[{"name": …, "arguments": …}, …]: vLLM's template for Phi-4-mini, and Firefunction 2.
#include "server/tool_list.h"

namespace ingot {
namespace tool_format_functools {

constexpr std::string_view kMark = "functools[";

// Firefunction's template has a name of its own for tools.
void arrange(Json&, Json& variables, std::string_view) {
  const auto tools = variables.find("tools");
  if (tools == variables.end()) return;
  Json functions = Json::array();
  for (const Json& tool : *tools) functions.push_back(tool["function"]);
  variables["functions"] = functions.dump(4);
}

}  // namespace tool_format_functools

const ToolFormatDef& functools_tool_format() {
  using namespace tool_format_functools;
  static const ToolFormatDef def = {
      .name = "functools",
      .claims = [](std::string_view text) { return text.find(kMark) != text.npos; },
      .marks = {},
      .make = [](ToolSink& sink) { return make_list_parser(sink, kMark); },
      .form = [](std::string_view name, std::string_view) { return list_form(name, kMark); },
      .arrange = arrange};
  return def;
}

}  // namespace ingot
