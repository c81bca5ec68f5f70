#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace ingot {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include) : include_(include) {
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) continue;
    Stop stop;
    stop.text = std::move(stops[i]);
    stop.index = static_cast<int>(i);
    // Knuth-Morris-Pratt: fallback[n] is the longest proper border of the first n bytes.
    stop.fallback.assign(stop.text.size() + 1, 0);
    for (size_t n = 1, border = 0; n < stop.text.size(); ++n) {
      while (border > 0 && stop.text[n] != stop.text[border]) border = stop.fallback[border];
      if (stop.text[n] == stop.text[border]) ++border;
      stop.fallback[n + 1] = static_cast<uint32_t>(border);
    }
    stops_.push_back(std::move(stop));
  }
}

std::string StopMatcher::push(std::string_view text) {
  if (stopped()) return "";
  if (stops_.empty()) return std::string(text);
  for (const char c : text) {
    held_ += c;
    const Stop* hit = nullptr;
    for (Stop& stop : stops_) {
      while (stop.matched > 0 && stop.text[stop.matched] != c) {
        stop.matched = stop.fallback[stop.matched];
      }
      if (stop.text[stop.matched] == c) ++stop.matched;
      const bool complete = stop.matched == stop.text.size();
      if (complete && (hit == nullptr || stop.text.size() > hit->text.size())) hit = &stop;
    }
    if (hit != nullptr) {
      stopped_ = hit->index;
      if (!include_) held_.resize(held_.size() - hit->text.size());
      return std::exchange(held_, {});
    }
  }
  size_t keep = 0;
  for (const Stop& stop : stops_) keep = std::max(keep, stop.matched);
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopMatcher::flush() {
  for (Stop& stop : stops_) stop.matched = 0;
  return stopped() ? "" : std::exchange(held_, {});
}

}  // namespace ingot
