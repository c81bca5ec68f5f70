#include "text/tokenizer_pipeline/bpe_merger.h"

#include <algorithm>

#include "base/check.h"

namespace ingot {
namespace {

// Below this the quadratic scan, which allocates nothing, beats the heap; most words have 1 to 12
// symbols.
constexpr size_t kShortWord = 24;

struct Candidate {
  uint32_t rank;
  uint32_t position;
  int32_t id;
  // For a max-heap that yields the lowest rank, then the leftmost position.
  bool operator<(const Candidate& o) const {
    return rank != o.rank ? rank > o.rank : position > o.position;
  }
};

struct Symbol {
  int32_t id;
  uint32_t previous;
  uint32_t next;
};
constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

BpeMerger::BpeMerger(const std::vector<MergeRule>& rules) : table_(rules.size()) {
  for (const MergeRule& rule : rules) table_.insert(rule.left, rule.right, {rule.rank, rule.id});
}

void BpeMerger::merge(std::vector<int32_t>& symbols, size_t first) const {
  const size_t count = symbols.size() - first;
  if (count < 2) return;
  if (count <= kShortWord) {
    merge_short(symbols, first);
  } else {
    merge_long(symbols, first);
  }
}

void BpeMerger::merge_short(std::vector<int32_t>& symbols, size_t first) const {
  PairTable::Merge pairs[kShortWord];  // pairs[i]: of symbols i and i + 1
  int32_t* s = symbols.data() + first;
  size_t count = symbols.size() - first;
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = table_.find(s[i], s[i + 1]);
  while (count > 1) {
    size_t best = count;
    for (size_t i = 0; i + 1 < count; ++i) {
      if (pairs[i].id >= 0 && (best == count || pairs[i].rank < pairs[best].rank)) best = i;
    }
    if (best == count) break;
    s[best] = pairs[best].id;
    std::copy(s + best + 2, s + count, s + best + 1);
    std::copy(pairs + best + 1, pairs + count - 1, pairs + best);
    --count;
    if (best > 0) pairs[best - 1] = table_.find(s[best - 1], s[best]);
    if (best + 1 < count) pairs[best] = table_.find(s[best], s[best + 1]);
  }
  symbols.resize(first + count);
}

void BpeMerger::merge_long(std::vector<int32_t>& symbols, size_t first) const {
  const size_t count = symbols.size() - first;
  CHECK_LT(count, size_t{kNone});
  std::vector<Symbol> list(count);
  for (uint32_t i = 0; i < count; ++i) {
    list[i] = {symbols[first + i], i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  }
  std::vector<Candidate> heap;
  for (uint32_t i = 0; i + 1 < count; ++i) {
    const auto m = table_.find(list[i].id, list[i + 1].id);
    if (m.id >= 0) heap.push_back({m.rank, i, m.id});
  }
  std::make_heap(heap.begin(), heap.end());
  const auto push = [&](uint32_t left) {
    if (left == kNone || list[left].next == kNone) return;
    const auto m = table_.find(list[left].id, list[list[left].next].id);
    if (m.id < 0) return;
    heap.push_back({m.rank, left, m.id});
    std::push_heap(heap.begin(), heap.end());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate c = heap.back();
    heap.pop_back();
    Symbol& left = list[c.position];
    if (left.id < 0 || left.next == kNone) continue;  // merged away since
    Symbol& right = list[left.next];
    if (table_.find(left.id, right.id).id != c.id) continue;  // a different pair by now
    left.id = c.id;
    right.id = -1;
    left.next = right.next;
    if (left.next != kNone) list[left.next].previous = c.position;
    push(left.previous);
    push(c.position);
  }
  size_t out = first;
  for (uint32_t i = 0; i != kNone; i = list[i].next) symbols[out++] = list[i].id;
  symbols.resize(out);
}

}  // namespace ingot
