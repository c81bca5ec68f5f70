#include "engine/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace ingot {
namespace {

int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

// Placed items by the steps they are alive at: a segment tree over steps, so that a query looks
// only at items that are alive with the one asked for.
class AliveIndex {
 public:
  explicit AliveIndex(int steps) : by_first_(static_cast<size_t>(steps)) {
    while (leaves_ < static_cast<size_t>(steps)) leaves_ *= 2;
    nodes_.resize(2 * leaves_);
  }
  void add(size_t id, const ArenaItem& item) {
    by_first_[static_cast<size_t>(item.first)].push_back(id);
    size_t low = leaves_ + static_cast<size_t>(item.first);
    size_t high = leaves_ + static_cast<size_t>(item.last) + 1;
    for (; low < high; low /= 2, high /= 2) {
      if (low % 2 == 1) nodes_[low++].push_back(id);
      if (high % 2 == 1) nodes_[--high].push_back(id);
    }
  }
  // Those alive at item.first, and those that begin later while it is alive: each once.
  void collect(const ArenaItem& item, std::vector<size_t>& out) const {
    out.clear();
    for (size_t n = leaves_ + static_cast<size_t>(item.first); n > 0; n /= 2) {
      out.insert(out.end(), nodes_[n].begin(), nodes_[n].end());
    }
    for (int step = item.first + 1; step <= item.last; ++step) {
      const std::vector<size_t>& begin = by_first_[static_cast<size_t>(step)];
      out.insert(out.end(), begin.begin(), begin.end());
    }
  }

 private:
  size_t leaves_ = 1;
  std::vector<std::vector<size_t>> nodes_;
  std::vector<std::vector<size_t>> by_first_;
};

// Places items in `order`, each at the lowest gap between already placed items alive with it.
int64_t place_in_order(std::span<const ArenaItem> items, const std::vector<size_t>& order,
                       std::vector<int64_t>& offsets) {
  offsets.assign(items.size(), 0);
  int steps = 0;
  for (const ArenaItem& item : items) steps = std::max(steps, item.last + 1);
  AliveIndex placed(steps);
  std::vector<size_t> rank(items.size());  // place in `order`
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  std::vector<size_t> alive;
  int64_t total = 0;
  for (size_t id : order) {
    const ArenaItem& item = items[id];
    int64_t at = 0;
    int64_t best_gap = std::numeric_limits<int64_t>::max();
    int64_t best = -1;
    placed.collect(item, alive);
    std::sort(alive.begin(), alive.end(), [&](size_t a, size_t b) {
      return std::pair(offsets[a], rank[a]) < std::pair(offsets[b], rank[b]);
    });
    for (size_t other : alive) {
      const int64_t gap = offsets[other] - at;
      if (gap >= aligned(item.bytes) && gap < best_gap) {
        best_gap = gap;
        best = at;
      }
      at = std::max(at, offsets[other] + aligned(items[other].bytes));
    }
    offsets[id] = best >= 0 ? best : at;
    total = std::max(total, offsets[id] + aligned(item.bytes));
    placed.add(id, item);
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
