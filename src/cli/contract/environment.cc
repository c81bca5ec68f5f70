#include "cli/contract/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/knobs.h"
#include "base/nearest.h"

namespace ingot {
namespace {

// Read outside of flags and knobs, by the hub.
constexpr std::string_view kOthers[] = {"INGOT_PYPI_INDEX", "INGOT_HTTP_CONNECT_TIMEOUT"};

constexpr std::string_view kPrefix = "INGOT_";

// did_you_mean() of what follows the prefix, which all names share.
std::string meant(std::string_view name, const std::vector<std::string>& known) {
  std::vector<std::string> rests;
  for (const std::string& other : known) {
    if (other.starts_with(kPrefix)) rests.push_back(other.substr(kPrefix.size()));
  }
  const std::string near = nearest_name(name.substr(kPrefix.size()), rests);
  return near.empty() ? near : fmt::format(", did you mean {}{}?", kPrefix, near);
}

}  // namespace

std::string unknown_variables(const char* const* environment, std::vector<std::string> flags) {
  std::vector<std::string> known = std::move(flags);
  for (const Knob& knob : all_knobs()) {
    std::string& name = known.emplace_back(kPrefix);
    for (char c : knob.name) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  known.insert(known.end(), std::begin(kOthers), std::end(kOthers));
  std::string out;
  for (; *environment; ++environment) {
    const std::string_view entry = *environment;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (!name.starts_with(kPrefix)) continue;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    out += fmt::format("{}{} is not a variable of ingot{}", out.empty() ? "" : "; ", name,
                       meant(name, known));
  }
  return out;
}

}  // namespace ingot
