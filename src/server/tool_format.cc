#include "server/tool_format.h"

namespace ingot {

const ToolFormatDef* find_tool_format(std::string_view chat_template) {
  for (const ToolFormatDef* format : server_tool_format_list()) {
    if (format->claims(chat_template)) return format;
  }
  return nullptr;
}

}  // namespace ingot
