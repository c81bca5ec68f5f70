#include "runtime/kv_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ingot {
namespace {

// First block that a query at `position` can see through a window.
int64_t floor_block(int64_t position, int64_t window) {
  return std::max<int64_t>(0, position - window + 1) / kKvBlockTokens;
}

Hash128 chain_hash(const Hash128& parent, const Hash128& salt, std::span<const TokenId> tokens) {
  struct {
    uint64_t words[4];
    TokenId tokens[kKvBlockTokens];
  } key = {{parent.low, parent.high, salt.low, salt.high}, {}};
  std::copy(tokens.begin(), tokens.end(), key.tokens);
  return hash128(std::as_bytes(std::span(&key, 1)));
}

}  // namespace

KvBlocks::KvBlocks(std::vector<KvGroup> groups, bool prefix_cache)
    : groups_(std::move(groups)), prefix_cache_(prefix_cache) {
  pools_.resize(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    CHECK_GT(groups_[g].num_pages, 0);
    CHECK_LE(groups_[g].num_pages, int64_t{1} << 30);
    if (groups_[g].kind == KvKind::kWindowed) CHECK_GT(groups_[g].window, 0);
    // Their contents depend on more than the block's own tokens and those before it.
    if (!growable(g)) prefix_cache_ = false;
    Pool& pool = pools_[g];
    pool.pages.resize(static_cast<size_t>(groups_[g].num_pages));
    for (PageId p = static_cast<PageId>(groups_[g].num_pages) - 1; p >= 0; --p) {
      pool.free.push_back(p);
    }
  }
}

bool KvBlocks::growable(size_t group) const {
  return groups_[group].kind == KvKind::kPaged || groups_[group].kind == KvKind::kWindowed;
}

KvTables KvBlocks::make_tables(uint64_t owner) const {
  KvTables tables;
  tables.groups.resize(groups_.size());
  tables.window_floor.resize(groups_.size(), 0);
  tables.owner = owner;
  return tables;
}

void KvBlocks::list_push(Pool& pool, PageId id) {
  Page& page = pool.pages[static_cast<size_t>(id)];
  page.prev = pool.newest;
  page.next = kNoPage;
  page.in_cached_list = true;
  if (pool.newest != kNoPage) pool.pages[static_cast<size_t>(pool.newest)].next = id;
  pool.newest = id;
  if (pool.oldest == kNoPage) pool.oldest = id;
  ++pool.cached;
}

void KvBlocks::list_remove(Pool& pool, PageId id) {
  Page& page = pool.pages[static_cast<size_t>(id)];
  (page.prev == kNoPage ? pool.oldest : pool.pages[static_cast<size_t>(page.prev)].next) =
      page.next;
  (page.next == kNoPage ? pool.newest : pool.pages[static_cast<size_t>(page.next)].prev) =
      page.prev;
  page.prev = page.next = kNoPage;
  page.in_cached_list = false;
  --pool.cached;
}

void KvBlocks::forget(Entry& entry, size_t group) {
  // Without a page of a full group the block cannot be used again; without one of a window it can.
  bool dead = groups_[group].kind == KvKind::kPaged;
  auto drop = [&](size_t g) {
    const PageId id = std::exchange(entry.pages[g], kNoPage);
    if (id == kNoPage) return;
    Page& page = pools_[g].pages[static_cast<size_t>(id)];
    page.entry = 0;
    if (page.in_cached_list) {
      list_remove(pools_[g], id);
      pools_[g].free.push_back(id);
    }
  };
  drop(group);
  dead = dead ||
         std::all_of(entry.pages.begin(), entry.pages.end(), [](PageId p) { return p == kNoPage; });
  if (!dead) return;
  for (size_t g = 0; g < groups_.size(); ++g) drop(g);
  auto it = by_hash_.find(entry.hash);
  if (it != by_hash_.end() && it->second == entry.id) by_hash_.erase(it);
  entries_.erase(entry.id);
}

PageId KvBlocks::allocate(size_t group, uint64_t owner) {
  Pool& pool = pools_[group];
  if (pool.free.empty()) {
    CHECK_NE(pool.oldest, kNoPage);
    ++stats_.evictions;
    forget(entries_.at(pool.pages[static_cast<size_t>(pool.oldest)].entry), group);
  }
  const PageId id = pool.free.back();
  pool.free.pop_back();
  Page& page = pool.pages[static_cast<size_t>(id)];
  CHECK_EQ(page.references, 0);
  CHECK_EQ(page.entry, 0u);
  page.references = 1;
  page.owner = owner;
  ++page.generation;
  return id;
}

void KvBlocks::unreference(size_t group, PageId id) {
  if (id == kNoPage) return;
  Page& page = pools_[group].pages[static_cast<size_t>(id)];
  CHECK_GT(page.references, 0);
  if (--page.references > 0) return;
  if (page.entry != 0) {
    list_push(pools_[group], id);
  } else {
    pools_[group].free.push_back(id);
  }
}

int64_t KvBlocks::available(size_t group) const {
  return static_cast<int64_t>(pools_[group].free.size()) + pools_[group].cached;
}

int64_t KvBlocks::append_need(const KvTables& tables, size_t group, int64_t count,
                              int64_t cross_tokens) const {
  const auto& table = tables.groups[group];
  auto shared = [&](PageId id) {
    return pools_[group].pages[static_cast<size_t>(id)].references > 1;
  };
  switch (groups_[group].kind) {
    case KvKind::kCross:
      return table.empty() ? kv_blocks(cross_tokens) : 0;
    case KvKind::kFixed:
      return table.empty() || shared(table[0]) ? 1 : 0;
    case KvKind::kPaged:
    case KvKind::kWindowed:
      break;
  }
  const bool partial = tables.tokens % kKvBlockTokens != 0;
  return kv_blocks(tables.tokens + count) - static_cast<int64_t>(table.size()) +
         (partial && shared(table.back()) ? 1 : 0);
}

int64_t KvBlocks::max_append(const KvTables& tables, int64_t want, int64_t cross_tokens) const {
  for (size_t g = 0; g < groups_.size() && want > 0; ++g) {
    if (append_need(tables, g, want, cross_tokens) <= available(g)) continue;
    if (!growable(g)) return 0;
    const int64_t spare = available(g) - append_need(tables, g, 1, cross_tokens);
    if (spare < 0) return 0;
    // Pages beyond those that one token needs, each a whole block.
    const int64_t first_end = kv_blocks(tables.tokens + 1) * kKvBlockTokens - tables.tokens;
    want = std::min(want, first_end + spare * kKvBlockTokens);
  }
  return want;
}

bool KvBlocks::fits(const KvTables& tables, int64_t tokens, int64_t cross_tokens,
                    int64_t reserve) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const int64_t held = static_cast<int64_t>(tables.groups[g].size()) - tables.window_floor[g];
    if (pages_for(g, tokens, cross_tokens) - held > available(g) - reserve) return false;
  }
  return true;
}

int64_t KvBlocks::first_block(size_t group, int64_t position) const {
  return groups_[group].kind == KvKind::kWindowed ? floor_block(position, groups_[group].window)
                                                  : 0;
}

void KvBlocks::make_private(KvTables& tables, size_t group, size_t block,
                            std::vector<PageCopy>& copies) {
  PageId& slot = tables.groups[group][block];
  const Page& page = pools_[group].pages[static_cast<size_t>(slot)];
  if (page.references > 1) {
    const PageId source = slot;
    slot = allocate(group, tables.owner);
    copies.push_back({static_cast<int32_t>(group), source, slot});
    unreference(group, source);
    ++stats_.copies;
  } else if (page.entry != 0) {
    forget(entries_.at(page.entry), group);
  }
}

bool KvBlocks::append(KvTables& tables, int64_t count, int64_t cross_tokens,
                      std::vector<PageCopy>& copies) {
  CHECK_GT(count, 0);
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (append_need(tables, g, count, cross_tokens) > available(g)) return false;
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    auto& table = tables.groups[g];
    int64_t need = 0;
    switch (groups_[g].kind) {
      case KvKind::kCross:
        need = table.empty() ? kv_blocks(cross_tokens) : static_cast<int64_t>(table.size());
        break;
      case KvKind::kFixed:
        need = 1;
        if (!table.empty()) make_private(tables, g, 0, copies);
        break;
      case KvKind::kPaged:
      case KvKind::kWindowed:
        need = kv_blocks(tables.tokens + count);
        if (tables.tokens % kKvBlockTokens != 0) make_private(tables, g, table.size() - 1, copies);
        break;
    }
    while (static_cast<int64_t>(table.size()) < need) table.push_back(allocate(g, tables.owner));
  }
  tables.tokens += count;
  return true;
}

KvTables KvBlocks::fork(const KvTables& tables, uint64_t owner) {
  KvTables out = tables;
  out.owner = owner;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (PageId id : out.groups[g]) {
      if (id != kNoPage) ++pools_[g].pages[static_cast<size_t>(id)].references;
    }
  }
  return out;
}

void KvBlocks::truncate(KvTables& tables, int64_t tokens) {
  CHECK_GE(tokens, 0);
  CHECK_LE(tokens, tables.tokens);
  if (tokens == tables.tokens) return;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].kind == KvKind::kCross) continue;
    CHECK(groups_[g].kind != KvKind::kFixed);  // a recurrent state has no way back
    if (groups_[g].kind == KvKind::kWindowed) {
      CHECK_LE(tables.window_floor[g], floor_block(tokens, groups_[g].window));
    }
    auto& table = tables.groups[g];
    while (static_cast<int64_t>(table.size()) > kv_blocks(tokens)) {
      unreference(g, table.back());
      table.pop_back();
    }
  }
  tables.tokens = tokens;
  const auto full = static_cast<size_t>(tokens / kKvBlockTokens);
  if (tables.chain.size() > full) tables.chain.resize(full);
}

void KvBlocks::free(KvTables& tables) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    // Last block first: of a cached prefix the tail is evicted before the head.
    auto& table = tables.groups[g];
    for (auto it = table.rbegin(); it != table.rend(); ++it) unreference(g, *it);
    table.clear();
    tables.window_floor[g] = 0;
  }
  tables.chain.clear();
  tables.tokens = 0;
}

void KvBlocks::leave_window(KvTables& tables, int64_t next_position) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].kind != KvKind::kWindowed) continue;
    auto& table = tables.groups[g];
    const int64_t floor =
        std::min(floor_block(next_position, groups_[g].window), static_cast<int64_t>(table.size()));
    for (int64_t& b = tables.window_floor[g]; b < floor; ++b) {
      unreference(g, std::exchange(table[static_cast<size_t>(b)], kNoPage));
    }
  }
}

const KvBlocks::Entry* KvBlocks::find_entry(const Hash128& hash, uint64_t parent,
                                            const Hash128& salt,
                                            std::span<const TokenId> tokens) const {
  auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) return nullptr;
  const Entry& entry = entries_.at(it->second);
  const bool same = entry.parent == parent && entry.salt == salt &&
                    std::equal(tokens.begin(), tokens.end(), entry.tokens.begin());
  return same ? &entry : nullptr;
}

size_t KvBlocks::usable_chain(const std::vector<const Entry*>& chain) const {
  for (size_t n = chain.size(); n > 0; --n) {
    bool ok = true;
    for (size_t g = 0; g < groups_.size() && ok; ++g) {
      if (groups_[g].kind != KvKind::kWindowed) continue;
      const auto floor = static_cast<size_t>(
          floor_block(static_cast<int64_t>(n) * kKvBlockTokens, groups_[g].window));
      for (size_t b = floor; b < n && ok; ++b) ok = chain[b]->pages[g] != kNoPage;
    }
    if (ok) return n;
  }
  return 0;
}

int64_t KvBlocks::adopt(KvTables& tables, std::span<const TokenId> tokens, const Hash128& salt,
                        int64_t max_tokens) {
  CHECK_EQ(tables.tokens, 0);
  if (!prefix_cache_ || groups_.empty()) return 0;
  const auto most = static_cast<size_t>(std::min(static_cast<int64_t>(tokens.size()), max_tokens) /
                                        kKvBlockTokens);
  std::vector<const Entry*> chain;
  Hash128 parent_hash;
  uint64_t parent = 0;
  while (chain.size() < most) {
    const auto block = tokens.subspan(chain.size() * kKvBlockTokens, kKvBlockTokens);
    const Hash128 hash = chain_hash(parent_hash, salt, block);
    const Entry* entry = find_entry(hash, parent, salt, block);
    if (entry == nullptr) break;
    chain.push_back(entry);
    parent_hash = hash;
    parent = entry->id;
  }
  chain.resize(usable_chain(chain));
  if (chain.empty()) return 0;
  const auto taken = static_cast<int64_t>(chain.size()) * kKvBlockTokens;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const int64_t floor =
        groups_[g].kind == KvKind::kWindowed ? floor_block(taken, groups_[g].window) : 0;
    tables.window_floor[g] = floor;
    for (size_t b = 0; b < chain.size(); ++b) {
      const PageId id = static_cast<int64_t>(b) < floor ? kNoPage : chain[b]->pages[g];
      tables.groups[g].push_back(id);
      if (id == kNoPage) continue;
      Page& page = pools_[g].pages[static_cast<size_t>(id)];
      if (page.references++ == 0) list_remove(pools_[g], id);
    }
  }
  for (const Entry* entry : chain) tables.chain.push_back({entry->hash, entry->id});
  tables.tokens = taken;
  return taken;
}

void KvBlocks::publish(KvTables& tables, std::span<const TokenId> tokens, const Hash128& salt,
                       int64_t computed) {
  if (!prefix_cache_ || groups_.empty()) return;
  CHECK_LE(computed, static_cast<int64_t>(tokens.size()));
  CHECK_LE(computed, tables.tokens);
  while (static_cast<int64_t>(tables.chain.size()) < computed / kKvBlockTokens) {
    const size_t b = tables.chain.size();
    const KvTables::Link parent = b == 0 ? KvTables::Link{} : tables.chain.back();
    const auto block = tokens.subspan(b * kKvBlockTokens, kKvBlockTokens);
    const Hash128 hash = chain_hash(parent.hash, salt, block);
    KvTables::Link link{hash, 0};
    if (b == 0 || parent.entry != 0) {
      const Entry* found = find_entry(hash, parent.entry, salt, block);
      if (found == nullptr && by_hash_.count(hash) != 0) {
        // Either the hash of other tokens, or the same block below a parent that was evicted since:
        // the newer one is the reachable one.
        forget(entries_.at(by_hash_.at(hash)), 0);
        if (auto it = by_hash_.find(hash); it != by_hash_.end()) by_hash_.erase(it);
      }
      link.entry = found != nullptr ? found->id : next_entry_++;
      Entry& entry = entries_[link.entry];
      if (found == nullptr) {
        entry.id = link.entry;
        entry.parent = parent.entry;
        entry.hash = hash;
        entry.salt = salt;
        std::copy(block.begin(), block.end(), entry.tokens.begin());
        entry.pages.assign(groups_.size(), kNoPage);
        by_hash_[hash] = entry.id;
      }
      bool any = false;
      for (size_t g = 0; g < groups_.size(); ++g) {
        const PageId id = tables.groups[g][b];
        if (entry.pages[g] == kNoPage && id != kNoPage) {
          Page& page = pools_[g].pages[static_cast<size_t>(id)];
          if (page.entry == 0) {
            page.entry = entry.id;
            entry.pages[g] = id;
          }
        }
        any = any || entry.pages[g] != kNoPage;
      }
      if (!any) {
        by_hash_.erase(hash);
        entries_.erase(link.entry);
        link.entry = 0;
      }
    }
    tables.chain.push_back(link);
  }
}

void KvBlocks::clear_cache() {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Pool& pool = pools_[g];
    while (pool.oldest != kNoPage) {
      forget(entries_.at(pool.pages[static_cast<size_t>(pool.oldest)].entry), g);
    }
  }
}

int64_t KvBlocks::pages_for(size_t group, int64_t tokens, int64_t cross_tokens) const {
  switch (groups_[group].kind) {
    case KvKind::kFixed:
      return 1;
    case KvKind::kCross:
      return kv_blocks(cross_tokens);
    case KvKind::kPaged:
      return kv_blocks(tokens);
    case KvKind::kWindowed:
      break;
  }
  // The window at any alignment touches one block more than it fills; one more is being written.
  return std::min(kv_blocks(tokens), kv_blocks(groups_[group].window) + 2);
}

int64_t KvBlocks::capacity_tokens() const {
  int64_t capacity = int64_t{1} << 40;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (!growable(g)) continue;
    if (groups_[g].kind == KvKind::kWindowed &&
        groups_[g].num_pages >= kv_blocks(groups_[g].window) + 2) {
      continue;
    }
    capacity = std::min(capacity, groups_[g].num_pages * kKvBlockTokens);
  }
  return capacity;
}

KvBlocks::PageInfo KvBlocks::page_info(size_t group, PageId id) const {
  const Page& page = pools_.at(group).pages.at(static_cast<size_t>(id));
  return {page.references, page.generation, page.owner, page.entry != 0};
}

void KvBlocks::check_conserved(std::span<const KvTables* const> live) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Pool& pool = pools_[g];
    std::vector<int32_t> references(pool.pages.size(), 0);
    for (const KvTables* tables : live) {
      for (PageId id : tables->groups[g]) {
        if (id != kNoPage) ++references[static_cast<size_t>(id)];
      }
    }
    std::vector<int> places(pool.pages.size(), 0);
    for (PageId id : pool.free) ++places[static_cast<size_t>(id)];
    int64_t cached = 0;
    for (PageId id = pool.oldest; id != kNoPage; id = pool.pages[static_cast<size_t>(id)].next) {
      ++places[static_cast<size_t>(id)];
      ++cached;
      CHECK_NE(pool.pages[static_cast<size_t>(id)].entry, 0u);
    }
    CHECK_EQ(cached, pool.cached);
    for (size_t p = 0; p < pool.pages.size(); ++p) {
      const Page& page = pool.pages[p];
      CHECK_MSG(page.references == references[p],
                "group {} page {} (owner {}, generation {}): {} references, {} tables name it", g,
                p, page.owner, page.generation, page.references, references[p]);
      CHECK_MSG(places[p] + (page.references > 0 ? 1 : 0) == 1,
                "group {} page {} is in {} lists and has {} references", g, p, places[p],
                page.references);
      if (page.entry != 0) CHECK_EQ(entries_.at(page.entry).pages[g], static_cast<PageId>(p));
    }
  }
  CHECK_LE(by_hash_.size(), entries_.size());
}

}  // namespace ingot
