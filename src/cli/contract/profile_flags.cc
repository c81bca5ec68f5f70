#include "cli/contract/profile_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace ingot {
namespace {

Shape parse_sizes(std::string_view text, std::string_view whole, std::string_view flag) {
  Shape out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    const bool good = error == std::errc() && size >= 0 && (next == end || *next == 'x');
    if (!good) {
      throw UsageError(fmt::format("--{} expects NAME:1x3x224x224, found '{}'", flag, whole));
    }
    out.push_back(size);
    if (next == end) return out;
    at = next + 1;
  }
}

std::map<std::string, Shape> parse_shapes(const std::vector<std::string>& texts,
                                          std::string_view flag) {
  std::map<std::string, Shape> out;
  for (const std::string& text : texts) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      const std::string entry = text.substr(begin, end - begin);
      begin = end + 1;
      const size_t colon = entry.rfind(':');
      if (colon == std::string::npos || colon == 0) {
        throw UsageError(fmt::format("--{} expects NAME:1x3x224x224, found '{}'", flag, entry));
      }
      const std::string name = entry.substr(0, colon);
      if (!out.emplace(name, parse_sizes(entry.substr(colon + 1), entry, flag)).second) {
        throw UsageError(fmt::format("--{} gives input '{}' twice", flag, name));
      }
    }
  }
  return out;
}

}  // namespace

void ProfileFlags::declare(Flags& flags) {
  flags.flag("minShapes", &min_, "smallest shapes of a network's inputs: NAME:1x3x224x224,...");
  flags.flag("optShapes", &opt_, "shapes that kernels are tuned for most of all");
  flags.flag("maxShapes", &max_, "largest shapes");
}

ShapeProfile ProfileFlags::profile() const {
  const auto min = parse_shapes(min_, "minShapes");
  const auto opt = parse_shapes(opt_, "optShapes");
  const auto max = parse_shapes(max_, "maxShapes");
  ShapeProfile out;
  for (const auto* shapes : {&min, &opt, &max}) {
    for (const auto& [name, shape] : *shapes) out[name];
  }
  for (auto& [name, range] : out) {
    const auto first = [&,
                        n = name](std::initializer_list<const std::map<std::string, Shape>*> in) {
      for (const auto* shapes : in) {
        if (auto it = shapes->find(n); it != shapes->end()) return it->second;
      }
      return Shape();
    };
    range.min = first({&min, &opt, &max});
    range.opt = first({&opt, &max, &min});
    range.max = first({&max, &opt, &min});
  }
  return out;
}

}  // namespace ingot
