// A set of strings that is searched along a text. Internal to text/.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer_pipeline/hash_tables.h"

namespace ingot {

// Filled once, then read from many threads. A step costs one look into a hash table.
class ByteTrie {
 public:
  ByteTrie() : values_(1, -1), slots_(64) {}

  // A later value for the same key replaces the earlier one. Keys are not empty, values not
  // negative.
  void insert(std::string_view key, int32_t value) {
    uint32_t node = 0;
    for (const char c : key) {
      const uint64_t edge = edge_of(node, static_cast<uint8_t>(c));
      size_t at = find_slot(edge);
      if (slots_[at].child == 0) {
        if (values_.size() * 2 > slots_.size()) {
          grow();
          at = find_slot(edge);
        }
        slots_[at] = {edge, static_cast<uint32_t>(values_.size())};
        values_.push_back(-1);
      }
      node = slots_[at].child;
    }
    values_[node] = value;
  }

  // Calls found(length, value) for each key that text[at..] begins with, shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, size_t at, Found found) const {
    uint32_t node = 0;
    for (size_t i = at; i < text.size(); ++i) {
      node = slots_[find_slot(edge_of(node, static_cast<uint8_t>(text[i])))].child;
      if (node == 0) return;
      if (values_[node] >= 0) found(i + 1 - at, values_[node]);
    }
  }

  struct Match {
    size_t length = 0;
    int32_t value = -1;
  };
  Match longest(std::string_view text, size_t at) const {
    Match best;
    for_each_prefix(text, at, [&](size_t length, int32_t value) { best = {length, value}; });
    return best;
  }
  bool empty() const { return values_.size() == 1; }

 private:
  struct Slot {
    uint64_t edge = 0;
    uint32_t child = 0;  // 0, the root, is nobody's child: the slot is free
  };
  static uint64_t edge_of(uint32_t node, uint8_t byte) {
    return static_cast<uint64_t>(node) << 8 | byte;
  }
  size_t find_slot(uint64_t edge) const {
    const size_t mask = slots_.size() - 1;
    // Two multiply-xorshift rounds; the odd constants are 2^64/phi and 2^64/sqrt(2).
    uint64_t h = (edge ^ seed_) * 0x9E3779B97F4A7C15ull;
    h = (h ^ h >> 32) * 0xB504F333F9DE6485ull;
    size_t i = (h ^ h >> 32) & mask;
    while (slots_[i].child != 0 && slots_[i].edge != edge) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.child != 0) slots_[find_slot(slot.edge)] = slot;
    }
  }
  std::vector<int32_t> values_;  // one a node; -1: no key ends here
  std::vector<Slot> slots_;
  uint64_t seed_ = table_seed();
};

}  // namespace ingot
