#include "server/tool_format.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace ingot {

const ToolFormatDef& find_tool_format(std::string_view chat_template) {
  const ToolFormatDef* other = nullptr;
  for (const ToolFormatDef* format : server_tool_format_list()) {
    if (format->claims == nullptr) {
      other = format;
    } else if (format->claims(chat_template)) {
      return *format;
    }
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
