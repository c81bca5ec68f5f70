#include "server/route.h"

#include <optional>

namespace ingot {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// The path's parameter (empty where the pattern has none), if it fits.
std::optional<std::string> matched(std::string_view pattern, std::string_view path) {
  const size_t brace = pattern.find('{');
  if (brace == pattern.npos) {
    return pattern == path ? std::optional<std::string>("") : std::nullopt;
  }
  const std::string_view head = pattern.substr(0, brace);
  if (!path.starts_with(head) || path.size() == head.size()) return std::nullopt;
  return percent_decoded(path.substr(head.size()));
}

}  // namespace

RouteMatch find_route(std::string_view method, std::string_view path) {
  constexpr std::string_view kVersion = "/v1";
  RouteMatch out;
  for (const RouteDef* route : server_route_list()) {
    std::optional<std::string> parameter = matched(route->path, path);
    if (!parameter && route->path.starts_with(kVersion)) {
      parameter = matched(route->path.substr(kVersion.size()), path);
    }
    if (!parameter) continue;
    const std::string_view wanted = route->method == Method::kGet ? "GET" : "POST";
    out = {route, method == wanted || (wanted == "GET" && method == "HEAD"), *parameter};
    if (out.method_fits) return out;
  }
  return out;
}

}  // namespace ingot
