#include "base/nearest.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot {
namespace {

constexpr size_t kLongest = 256;  // letters; the table below is quadratic in them

// Edits (change, drop, add, swap of neighbours) that make `a` of `b`.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      size_t& least = table[i][j];
      if (i == 0 || j == 0) {
        least = i + j;
        continue;
      }
      least = std::min(table[i - 1][j], table[i][j - 1]) + 1;
      least = std::min(least, table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) least = std::min(least, table[i - 2][j - 2] + 1);
    }
  }
  return table[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(std::string_view given, const std::vector<std::string>& names) {
  std::string best;
  size_t fewest = std::string::npos;
  for (const std::string& name : names) {
    const size_t longer = std::max(given.size(), name.size());
    if (longer > kLongest) continue;
    const size_t count = edits(given, name);
    if (count * 3 > longer || count >= fewest) continue;
    best = name;
    fewest = count;
  }
  return best;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& names) {
  const std::string near = nearest_name(given, names);
  return near.empty() ? near : fmt::format(", did you mean '{}'?", near);
}

}  // namespace ingot
