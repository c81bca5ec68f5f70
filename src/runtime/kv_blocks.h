// Paged KV allocator with prefix cache. Pages are integers 0 … num_pages-1 of each state group; no
// device is touched: what must happen to page contents leaves as PageCopy. Engine thread alone.
//
// A page is in exactly one place: the free list, the cached list (reference count 0, contents still
// findable, least recently used first), or held (reference count = number of tables naming it).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/request.h"

namespace ingot {

enum class KvKind : uint8_t {
  kPaged,     // one page per block of positions, all kept
  kWindowed,  // the same, but pages wholly before the last `window` positions are freed
  kFixed,     // one page per sequence, rewritten each step (recurrent state)
  kCross,     // pages for the encoder's positions, written once
};

struct KvGroup {
  std::string name;
  KvKind kind = KvKind::kPaged;
  int64_t num_pages = 0;
  int64_t window = 0;  // positions, kWindowed only
};

struct KvStats {
  int64_t evictions = 0;  // cached pages given to somebody else
  int64_t copies = 0;     // copy-on-write
};

class KvBlocks {
 public:
  KvBlocks(std::vector<KvGroup> groups, bool prefix_cache);

  const std::vector<KvGroup>& groups() const { return groups_; }
  const KvStats& stats() const { return stats_; }

  // Empty tables for a new sequence; takes no pages.
  KvTables make_tables(uint64_t owner) const;
  // Whether `tables` could grow to `tokens` positions and leave `reserve` pages of each group.
  bool fits(const KvTables& tables, int64_t tokens, int64_t cross_tokens, int64_t reserve) const;
  // Makes positions [tables.tokens, tables.tokens + count) writable: new pages at block borders, a
  // private copy of a shared page that the write would touch. All or nothing; false: too few pages.
  // For cross groups the first append takes the pages of cross_tokens positions.
  bool append(KvTables& tables, int64_t count, int64_t cross_tokens, std::vector<PageCopy>& copies);
  // Largest count <= want that append() would accept now.
  int64_t max_append(const KvTables& tables, int64_t want, int64_t cross_tokens) const;
  // A second table over the same pages (reference counts up, no page taken).
  KvTables fork(const KvTables& tables, uint64_t owner);
  // Drops room beyond `tokens` positions. CHECKs that no fixed group exists and that the tables
  // still hold what a windowed group needs.
  void truncate(KvTables& tables, int64_t tokens);
  // Gives back every page; blocks that are in the prefix cache stay findable until evicted.
  void free(KvTables& tables);
  // Frees windowed pages that no query at position >= next_position can see.
  void leave_window(KvTables& tables, int64_t next_position);

  // Prefix cache. adopt(): tables must be empty; takes the longest cached chain of full blocks with
  // the same salt, tokens compared, at most max_tokens positions; returns positions taken.
  int64_t adopt(KvTables& tables, std::span<const TokenId> tokens, const Hash128& salt,
                int64_t max_tokens);
  // Offers the full blocks among the first `computed` positions, whose KV has been written.
  void publish(KvTables& tables, std::span<const TokenId> tokens, const Hash128& salt,
               int64_t computed);
  void clear_cache();  // forgets every unreferenced cached page
  bool prefix_cache_enabled() const { return prefix_cache_; }

  // First block that a query at `position` reads; earlier entries may be kNoPage.
  int64_t first_block(size_t group, int64_t position) const;
  // Pages an append could take now: free + cached.
  int64_t available(size_t group) const;
  int64_t cached(size_t group) const { return pools_[group].cached; }
  // Pages of `group` that a sequence of `tokens` positions holds when alone, at most.
  int64_t pages_for(size_t group, int64_t tokens, int64_t cross_tokens) const;
  // Most positions a sequence can have when it is alone in the pool.
  int64_t capacity_tokens() const;

  struct PageInfo {
    int32_t references = 0;
    uint32_t generation = 0;  // times allocated
    uint64_t owner = 0;       // request that allocated it
    bool cached = false;      // findable by prefix
  };
  PageInfo page_info(size_t group, PageId page) const;
  // CHECKs conservation: the tables named are all the tables there are.
  void check_conserved(std::span<const KvTables* const> live) const;

 private:
  struct Page {
    int32_t references = 0;
    uint32_t generation = 0;
    uint64_t owner = 0;
    uint64_t entry = 0;                     // prefix entry id, 0: none
    PageId prev = kNoPage, next = kNoPage;  // cached list
    bool in_cached_list = false;
  };
  struct Pool {
    std::vector<Page> pages;
    std::vector<PageId> free;
    PageId oldest = kNoPage, newest = kNoPage;  // cached list
    int64_t cached = 0;
  };
  struct Entry {  // one full block of one prefix
    uint64_t id = 0, parent = 0;
    Hash128 hash, salt;
    std::array<TokenId, kKvBlockTokens> tokens{};
    std::vector<PageId> pages;  // per group, kNoPage: evicted or not a paged group
  };
  struct HashOfHash {
    size_t operator()(const Hash128& h) const { return static_cast<size_t>(h.low ^ h.high); }
  };

  bool growable(size_t group) const;
  int64_t append_need(const KvTables& tables, size_t group, int64_t count,
                      int64_t cross_tokens) const;
  PageId allocate(size_t group, uint64_t owner);
  void unreference(size_t group, PageId page);
  void list_push(Pool& pool, PageId page);
  void list_remove(Pool& pool, PageId page);
  void forget(Entry& entry, size_t group);  // the entry loses its page of this group
  void make_private(KvTables& tables, size_t group, size_t block, std::vector<PageCopy>& copies);
  const Entry* find_entry(const Hash128& hash, uint64_t parent, const Hash128& salt,
                          std::span<const TokenId> tokens) const;
  size_t usable_chain(const std::vector<const Entry*>& chain) const;

  std::vector<KvGroup> groups_;
  bool prefix_cache_ = false;
  std::vector<Pool> pools_;
  std::unordered_map<Hash128, uint64_t, HashOfHash> by_hash_;
  std::unordered_map<uint64_t, Entry> entries_;
  uint64_t next_entry_ = 1;
  KvStats stats_;
};

}  // namespace ingot
