// Two open-addressing tables that a tokenizer fills once and then reads from many threads.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace ingot {

// A fresh seed a table, so that a file cannot be written to make its entries collide.
inline uint64_t table_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

// String -> id over strings that live elsewhere (they must outlive the table and not move).
class StringIndex {
 public:
  explicit StringIndex(size_t expected = 0) { resize(expected); }

  // A later entry for the same string replaces the earlier one.
  void insert(std::string_view key, int32_t id) {
    if ((count_ + 1) * 2 > slots_.size()) resize(count_ * 2 + 1);
    Slot& slot = slots_[find_slot(key)];
    if (slot.id < 0) ++count_;
    slot = {key, id};
  }
  int32_t find(std::string_view key) const { return slots_[find_slot(key)].id; }  // -1: absent

 private:
  struct Slot {
    std::string_view key;
    int32_t id = -1;
  };
  size_t find_slot(std::string_view key) const {
    const size_t mask = slots_.size() - 1;
    size_t i = hash64(std::as_bytes(std::span(key.data(), key.size())), seed_) & mask;
    while (slots_[i].id >= 0 && slots_[i].key != key) i = (i + 1) & mask;
    return i;
  }
  void resize(size_t expected) {
    size_t size = 16;
    while (size < expected * 2) size *= 2;
    std::vector<Slot> old = std::move(slots_);
    slots_.assign(size, {});
    for (const Slot& slot : old) {
      if (slot.id >= 0) slots_[find_slot(slot.key)] = slot;
    }
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
  uint64_t seed_ = table_seed();
};

// Pair of token ids -> {rank, merged id}.
class PairTable {
 public:
  struct Merge {
    uint32_t rank = 0;
    int32_t id = -1;  // -1: the pair does not merge
  };
  explicit PairTable(size_t expected = 0) { resize(expected); }

  // A later entry for the same pair replaces the earlier one.
  void insert(int32_t left, int32_t right, Merge merge) {
    if ((count_ + 1) * 2 > slots_.size()) resize(count_ * 2 + 1);
    Slot& slot = slots_[find_slot(key_of(left, right))];
    if (slot.merge.id < 0) ++count_;
    slot = {key_of(left, right), merge};
  }
  Merge find(int32_t left, int32_t right) const {
    return slots_[find_slot(key_of(left, right))].merge;
  }
  size_t size() const { return count_; }

 private:
  struct Slot {
    uint64_t key = 0;
    Merge merge;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t find_slot(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    // Two multiply-xorshift rounds; the odd constants are 2^64/phi and 2^64/sqrt(2).
    uint64_t h = (key ^ seed_) * 0x9E3779B97F4A7C15ull;
    h = (h ^ h >> 32) * 0xB504F333F9DE6485ull;
    size_t i = (h ^ h >> 32) & mask;
    while (slots_[i].merge.id >= 0 && slots_[i].key != key) i = (i + 1) & mask;
    return i;
  }
  void resize(size_t expected) {
    size_t size = 16;
    while (size < expected * 2) size *= 2;
    std::vector<Slot> old = std::move(slots_);
    slots_.assign(size, {});
    for (const Slot& slot : old) {
      if (slot.merge.id >= 0) slots_[find_slot(slot.key)] = slot;
    }
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
  uint64_t seed_ = table_seed();
};

}  // namespace ingot
