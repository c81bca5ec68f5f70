#include "server/tool_format.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace ingot {

std::string written_call(const CallForm& form, const Json& arguments) {
  if (!form.members) return form.begin + arguments.dump() + form.end;
  const MemberForm& members = *form.members;
  std::string out = form.begin;
  bool first = true;
  for (const auto& [name, value] : arguments.items()) {
    if (!first) out += members.separator;
    first = false;
    const bool text = value.is_string() && !members.no_text.empty();
    out += members.begin + name + members.middle;
    out += text ? value.get<std::string>() : value.dump();
    out += members.end;
  }
  return out + form.end;
}

void write_calls(Json& messages, const ToolFormatDef& format, std::string_view chat_template) {
  for (Json& message : messages) {
    const auto calls = message.find("tool_calls");
    if (calls == message.end() || !calls->is_array() || calls->empty()) continue;
    std::string text, close;
    for (const Json& call : *calls) {
      const Json& function = call["function"];
      const CallForm form = format.form(function["name"].get<std::string>(), chat_template);
      text += text.empty() ? form.open : form.separator;
      text += written_call(form, function["arguments"]);
      close = form.close;
    }
    const auto content = message.find("content");
    const bool says = content != message.end() && content->is_string();
    message["content"] = (says ? content->get<std::string>() : "") + text + close;
    message.erase("tool_calls");
  }
}

const ToolFormatDef& find_tool_format(std::string_view chat_template) {
  std::vector<const ToolFormatDef*> claiming;
  const ToolFormatDef* other = nullptr;
  for (const ToolFormatDef* format : server_tool_format_list()) {
    if (format->claims == nullptr) {
      other = format;
    } else if (format->claims(chat_template)) {
      claiming.push_back(format);
    }
  }
  for (const ToolFormatDef* format : claiming) {
    const bool gives_way = std::ranges::any_of(
        claiming, [&](const ToolFormatDef* finer) { return finer->refines == format->name; });
    if (!gives_way) return *format;
  }
  CHECK_MSG(other != nullptr, "no format of tools for other templates");
  return *other;
}

std::string fitting_call_id(const std::string& id, const ToolFormatDef& format) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  const bool plain = std::ranges::all_of(id, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  if (format.id_size == 0 || (plain && id.size() == format.id_size)) return id;
  std::string out;
  for (uint64_t rest = hash128(id).low; out.size() < format.id_size; rest /= kDigits.size()) {
    out += kDigits[rest % kDigits.size()];
  }
  return out;
}

}  // namespace ingot
