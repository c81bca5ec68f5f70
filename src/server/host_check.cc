#include "server/host_check.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

namespace ingot {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Without the port, brackets and the dot of an absolute name; empty: it is no host.
std::string_view host_name(std::string_view header) {
  const bool bracket = header.starts_with('[');
  const size_t end = bracket ? header.find(']') : header.find(':');
  if (bracket && end == header.npos) return "";
  const std::string_view rest = header.substr(std::min(header.size(), bracket ? end + 1 : end));
  const bool port = rest.empty() || (rest[0] == ':' && rest.size() <= 6 &&
                                     std::all_of(rest.begin() + 1, rest.end(), is_digit));
  if (!port) return "";
  std::string_view name = header.substr(0, end);
  if (bracket) return name.substr(1);
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool same(std::string_view a, std::string_view b) { return boost::beast::iequals(a, b); }

}  // namespace

bool is_loopback_host(std::string_view host) {
  constexpr std::string_view kLocal = ".localhost";
  if (same(host, kLocal.substr(1))) return true;
  if (host.size() > kLocal.size() && same(host.substr(host.size() - kLocal.size()), kLocal)) {
    return true;
  }
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

bool is_known_host(std::string_view header, const std::vector<std::string>& allowed) {
  const std::string_view name = host_name(header);
  if (!name.empty() && is_loopback_host(name)) return true;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& one) {
    return one == "*" || (!name.empty() && (same(one, name) || same(one, header)));
  });
}

bool is_origin(std::string_view text) {
  constexpr std::string_view kBehindScheme = "://";
  if (text == "null") return true;
  const size_t end = text.find(kBehindScheme);
  if (end == text.npos || end == 0 || text.ends_with(':')) return false;
  const auto all = [](std::string_view part, std::string_view more) {
    return std::all_of(part.begin(), part.end(), [&](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || more.find(c) != more.npos;
    });
  };
  const std::string_view host = text.substr(end + kBehindScheme.size());
  const std::string_view name = host_name(host);
  return all(text.substr(0, end), "+-.") && !name.empty() &&
         all(name, host.starts_with('[') ? ":." : "-._");
}

}  // namespace ingot
