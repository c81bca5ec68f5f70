#include "server/cors.h"

#include <algorithm>

#include "server/request_head.h"

namespace ingot {

std::string allowed_headers(std::string_view asked) {
  constexpr std::string_view kOwn = "Authorization, Content-Type, x-api-key";
  std::string out;
  while (true) {
    const size_t end = std::min(asked.find(','), asked.size());
    const std::string_view name = trimmed(asked.substr(0, end));
    if (!is_token(name)) return std::string(kOwn);
    if (!out.empty()) out += ", ";
    out += name;
    if (end == asked.size()) return out;
    asked.remove_prefix(end + 1);
  }
}

}  // namespace ingot
