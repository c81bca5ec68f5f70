#include "engine/arena.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ingot {
namespace {

// Recomputed here, step by step, and not as the planner does it.
void check(const std::vector<ArenaItem>& items, const ArenaLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), items.size());
  int64_t bound = 0, peak = 0;
  int last = 0;
  for (const ArenaItem& item : items) last = std::max(last, item.last);
  for (int step = 0; step <= last; ++step) {
    int64_t live = 0;
    for (const ArenaItem& item : items) {
      live += item.first <= step && step <= item.last ? item.bytes : 0;
    }
    bound = std::max(bound, live);
  }
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % kArenaAlignment, 0);
    EXPECT_GE(layout.offsets[i], 0);
    peak = std::max(peak, layout.offsets[i] + items[i].bytes);
    for (size_t j = 0; j < i; ++j) {
      const bool together = items[i].first <= items[j].last && items[j].first <= items[i].last;
      const bool apart = layout.offsets[i] + items[i].bytes <= layout.offsets[j] ||
                         layout.offsets[j] + items[j].bytes <= layout.offsets[i];
      EXPECT_TRUE(!together || apart) << "items " << i << " and " << j;
    }
  }
  EXPECT_EQ(layout.bound, bound);
  EXPECT_GE(layout.total, peak);
  EXPECT_GE(layout.total, bound);
}

TEST(ArenaTest, EmptyAndSingle) {
  EXPECT_EQ(solve_arena({}).total, 0);
  const std::vector<ArenaItem> one = {{100, 2, 2}};
  check(one, solve_arena(one));
  EXPECT_EQ(solve_arena(one).total, 128);
}

TEST(ArenaTest, RandomItemsNeverOverlap) {
  uint64_t n = 0;
  auto draw = [&](uint64_t below) { return static_cast<int>(random_below(7, n++, below)); };
  for (int round = 0; round < 200; ++round) {
    std::vector<ArenaItem> items;
    const int count = 1 + draw(60);
    for (int i = 0; i < count; ++i) {
      const int first = draw(40);
      items.push_back({draw(3) == 0 ? draw(70) : 64 * draw(5000), first, first + draw(12)});
    }
    check(items, solve_arena(items));
  }
}

// A chain of layers, each with a residual that lives through it and a few short intermediates, as
// in a transformer: the layout must be tight there.
TEST(ArenaTest, ChainsOfLayersAreTight) {
  for (int64_t hidden : {576, 4096}) {
    std::vector<ArenaItem> items;
    int step = 0;
    for (int layer = 0; layer < 30; ++layer) {
      items.push_back({hidden * 4, step, step + 4});
      items.push_back({hidden * 6, step + 1, step + 2});
      items.push_back({hidden * 4, step + 2, step + 3});
      items.push_back({hidden * 4, step + 4, step + 8});
      items.push_back({hidden * 22, step + 5, step + 6});
      items.push_back({hidden * 11, step + 6, step + 7});
      step += 8;
    }
    const ArenaLayout layout = solve_arena(items);
    check(items, layout);
    EXPECT_LE(static_cast<double>(layout.total), 1.1 * static_cast<double>(layout.bound));
  }
}

// Long chains, as of an ONNX graph without layers: quadratic work would take minutes.
TEST(ArenaTest, LongChainsAreQuick) {
  std::vector<ArenaItem> items;
  for (int i = 0; i < 200000; ++i) items.push_back({256, i, i + 1});
  const ArenaLayout layout = solve_arena(items);
  EXPECT_EQ(layout.total, 512);
  EXPECT_EQ(layout.bound, 512);
  for (size_t i = 1; i < items.size(); ++i) ASSERT_NE(layout.offsets[i], layout.offsets[i - 1]);
}

// Worked by hand: the best gap, and the first of equal ones.
TEST(ArenaTest, TakesTheSmallestGapThatFits) {
  const std::vector<ArenaItem> items = {{512, 0, 9}, {448, 0, 1}, {384, 0, 9},
                                        {320, 2, 3}, {128, 2, 9}, {64, 3, 9}};
  const ArenaLayout layout = solve_arena(items);
  EXPECT_EQ(layout.offsets, (std::vector<int64_t>{0, 512, 960, 512, 832, 1344}));
}

}  // namespace
}  // namespace ingot
