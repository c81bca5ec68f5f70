#include "server/route.h"

#include <optional>

#include "base/percent.h"

namespace ingot {
namespace {

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

// "/v1/models" and "/models" are the same endpoint.
std::string_view without_version(std::string_view path) {
  constexpr std::string_view kVersion = "/v1";
  if (path.starts_with(kVersion) && path.substr(kVersion.size()).starts_with('/')) {
    path.remove_prefix(kVersion.size());
  }
  return path;
}

}  // namespace

RouteMatch find_route(std::string_view method, std::string_view path) {
  // The page alone is where it is: "/v1/" is an API's root, not a place for people.
  if (path == "/v1/") return {};
  const std::string_view plain = without_version(path);
  RouteMatch out;
  for (const RouteDef* route : server_route_list()) {
    const std::optional<std::string> parameter = matched(without_version(route->path), plain);
    if (!parameter) continue;
    const std::string_view wanted = route->method == Method::kGet ? "GET" : "POST";
    out = {route, method == wanted || (wanted == "GET" && method == "HEAD"), *parameter};
    if (out.method_fits) return out;
  }
  return out;
}

}  // namespace ingot
