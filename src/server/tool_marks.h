// Marks in a text that comes in pieces.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "server/tool_json.h"

namespace ingot {

// `text` from its first character that is no white space.
inline std::string_view without_blank(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kJsonSpace), text.size()));
}

inline bool is_blank(std::string_view text) { return without_blank(text).empty(); }

// Whether a text begins with one of the marks, may still come to, or does neither.
enum class Mark { kThere, kMore, kNone };
inline Mark mark_at(std::string_view text, std::initializer_list<std::string_view> marks) {
  if (std::ranges::any_of(marks, [&](auto mark) { return text.starts_with(mark); })) {
    return Mark::kThere;
  }
  const bool more = std::ranges::any_of(marks, [&](auto mark) { return mark.starts_with(text); });
  return more ? Mark::kMore : Mark::kNone;
}

}  // namespace ingot
