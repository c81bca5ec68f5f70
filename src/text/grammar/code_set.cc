#include "text/grammar/code_set.h"

#include <algorithm>
#include <iterator>

namespace ingot {
namespace {

constexpr char32_t kLastCode = 0x10FFFF, kSurrogates = 0xD800, kSurrogatesEnd = 0xE000;

}  // namespace

CodeSet::CodeSet(const std::vector<Range>& ranges) {
  std::vector<Range> cut;
  for (auto [low, high] : ranges) {
    high = std::min(high, kLastCode);
    if (low < kSurrogates && low <= high)
      cut.push_back({low, std::min<char32_t>(high, kSurrogates - 1)});
    low = std::max(low, kSurrogatesEnd);
    if (low <= high) cut.push_back({low, high});
  }
  std::sort(cut.begin(), cut.end());
  for (const auto& [low, high] : cut) {
    // U+D7FF and U+E000 are neighbours only in a text; they stay apart here.
    if (!ranges_.empty() && low <= ranges_.back().second + 1) {
      ranges_.back().second = std::max(ranges_.back().second, high);
    } else {
      ranges_.push_back({low, high});
    }
  }
}

bool CodeSet::contains(char32_t code) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), Range{code, ~char32_t{0}});
  return after != ranges_.begin() && code <= std::prev(after)->second;
}

CodeSet CodeSet::complement() const {
  std::vector<Range> gaps;
  char32_t next = 0;
  for (const auto& [low, high] : ranges_) {
    if (low > next) gaps.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLastCode) gaps.push_back({next, kLastCode});
  return CodeSet(gaps);
}

CodeSet CodeSet::unite(const CodeSet& other) const {
  std::vector<Range> both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CodeSet(both);
}

CodeSet CodeSet::intersect(const CodeSet& other) const {
  std::vector<Range> common;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const auto& [low, high] = ranges_[i];
    const auto& [other_low, other_high] = other.ranges_[j];
    const char32_t begin = std::max(low, other_low), end = std::min(high, other_high);
    if (begin <= end) common.push_back({begin, end});
    high < other_high ? ++i : ++j;
  }
  return CodeSet(common);
}

}  // namespace ingot
