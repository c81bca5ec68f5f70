// <|action_start|><|plugin|>{"name": …, "parameters": {…}}<|action_end|>: InternLM 2 and 2.5, with
// a template that shows tools.
#include <fmt/format.h>

#include "server/tool_list.h"

namespace ingot {
namespace tool_format_internlm {

constexpr std::string_view kOpen = "<|action_start|><|plugin|>";
constexpr std::string_view kClose = "<|action_end|>";

CallForm form(std::string_view name, std::string_view) {
  return {.separator = "\n",
          .begin = fmt::format("{}\n{{\"name\": \"{}\", \"parameters\": ", kOpen, name),
          .end = fmt::format("}}{}", kClose),
          .trigger = std::string(kOpen)};
}

}  // namespace tool_format_internlm

const ToolFormatDef& internlm_tool_format() {
  using namespace tool_format_internlm;
  static const ToolFormatDef def = {
      .name = "internlm",
      .claims = [](std::string_view text) { return text.find(kOpen) != text.npos; },
      .marks = {"<|action_start|>", "<|plugin|>", kClose},
      .make = [](ToolSink& sink) { return make_list_parser(sink, kOpen, kClose); },
      .form = form};
  return def;
}

}  // namespace ingot
