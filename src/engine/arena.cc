#include "engine/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace ingot {
namespace {

int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

// Places items in `order`, each at the lowest gap between already placed items alive with it.
int64_t place_in_order(std::span<const ArenaItem> items, const std::vector<size_t>& order,
                       std::vector<int64_t>& offsets) {
  offsets.assign(items.size(), 0);
  std::vector<size_t> placed;  // sorted by offset
  int64_t total = 0;
  for (size_t id : order) {
    const ArenaItem& item = items[id];
    int64_t at = 0;
    int64_t best_gap = std::numeric_limits<int64_t>::max();
    int64_t best = -1;
    for (size_t other : placed) {
      if (items[other].last < item.first || items[other].first > item.last) continue;
      const int64_t gap = offsets[other] - at;
      if (gap >= aligned(item.bytes) && gap < best_gap) {
        best_gap = gap;
        best = at;
      }
      at = std::max(at, offsets[other] + aligned(items[other].bytes));
    }
    offsets[id] = best >= 0 ? best : at;
    total = std::max(total, offsets[id] + aligned(item.bytes));
    const auto where = std::upper_bound(placed.begin(), placed.end(), id, [&](size_t a, size_t b) {
      return offsets[a] < offsets[b];
    });
    placed.insert(where, id);
  }
  return total;
}

int64_t live_bound(std::span<const ArenaItem> items) {
  int last = -1;
  for (const ArenaItem& item : items) last = std::max(last, item.last);
  std::vector<int64_t> change(static_cast<size_t>(last) + 2, 0);
  for (const ArenaItem& item : items) {
    change[static_cast<size_t>(item.first)] += item.bytes;
    change[static_cast<size_t>(item.last) + 1] -= item.bytes;
  }
  int64_t live = 0;
  int64_t bound = 0;
  for (int64_t c : change) bound = std::max(bound, live += c);
  return bound;
}

}  // namespace

ArenaLayout solve_arena(std::span<const ArenaItem> items) {
  std::vector<size_t> by_size(items.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::vector<size_t> by_time = by_size;
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return items[a].bytes > items[b].bytes; });
  std::stable_sort(by_time.begin(), by_time.end(),
                   [&](size_t a, size_t b) { return items[a].first < items[b].first; });
  ArenaLayout layout;
  layout.bound = live_bound(items);
  layout.total = place_in_order(items, by_size, layout.offsets);
  std::vector<int64_t> offsets;
  const int64_t total = place_in_order(items, by_time, offsets);
  if (total < layout.total) {
    layout.total = total;
    layout.offsets = std::move(offsets);
  }
  return layout;
}

}  // namespace ingot
