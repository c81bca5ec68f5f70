// The allocator's verbs one by one; conservation is checked after each.
#include "runtime/kv_blocks.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

// Also of the largest number, which a sum would wrap.
static_assert(kv_blocks(0) == 0 && kv_blocks(1) == 1 && kv_blocks(32) == 1 && kv_blocks(33) == 2);
static_assert(kv_blocks(INT64_MAX) == INT64_MAX / kKvBlockTokens + 1);

std::vector<TokenId> tokens(size_t count, TokenId base = 0) {
  std::vector<TokenId> out;
  for (size_t i = 0; i < count; ++i) out.push_back(base + static_cast<TokenId>(i));
  return out;
}

class KvBlocksTest : public ::testing::Test {
 protected:
  void make(std::vector<KvGroup> groups) { kv_.emplace(std::move(groups), true); }
  void append(KvTables& tables, int64_t count) {
    ASSERT_TRUE(kv_->append(tables, count, 0, copies_));
  }
  void check(std::vector<const KvTables*> live) { kv_->check_conserved(live); }

  std::optional<KvBlocks> kv_;
  std::vector<PageCopy> copies_;
};

TEST_F(KvBlocksTest, AppendIsAllOrNothing) {
  make({{"a", KvKind::kPaged, 4, 0}, {"b", KvKind::kPaged, 2, 0}});
  KvTables t = kv_->make_tables(1);
  EXPECT_EQ(kv_->max_append(t, 100, 0), 64);
  EXPECT_FALSE(kv_->append(t, 65, 0, copies_));
  EXPECT_EQ(t.tokens, 0);
  EXPECT_EQ(kv_->available(0), 4);
  append(t, 33);
  EXPECT_EQ(kv_->max_append(t, 100, 0), 31);
  EXPECT_EQ(kv_->available(0), 2);
  check({&t});
  kv_->free(t);
  check({});
  EXPECT_EQ(kv_->available(1), 2);
}

TEST_F(KvBlocksTest, ForkSharesAndTheFirstWriterCopies) {
  make({{"kv", KvKind::kPaged, 8, 0}});
  KvTables a = kv_->make_tables(1);
  append(a, 40);
  KvTables b = kv_->fork(a, 1);
  EXPECT_EQ(kv_->available(0), 6);
  EXPECT_EQ(kv_->page_info(0, a.groups[0][1]).references, 2);
  append(b, 1);
  ASSERT_EQ(copies_.size(), 1u);
  EXPECT_EQ(copies_[0], (PageCopy{0, a.groups[0][1], b.groups[0][1]}));
  append(a, 1);  // alone on its page now
  EXPECT_EQ(copies_.size(), 1u);
  EXPECT_EQ(a.groups[0][0], b.groups[0][0]);
  check({&a, &b});
  kv_->free(a);
  check({&b});
  kv_->free(b);
  check({});
}

TEST_F(KvBlocksTest, AppendCountsThePageThatAForkMustCopy) {
  make({{"kv", KvKind::kPaged, 2, 0}});
  KvTables a = kv_->make_tables(1);
  append(a, 40);
  KvTables b = kv_->fork(a, 1);
  EXPECT_EQ(kv_->max_append(b, 5, 0), 0);
  EXPECT_FALSE(kv_->append(b, 1, 0, copies_));
  check({&a, &b});
}

TEST_F(KvBlocksTest, CommitThreeThenTruncateTwo) {
  make({{"kv", KvKind::kPaged, 4, 0}});
  KvTables t = kv_->make_tables(1);
  append(t, 31);
  append(t, 3);
  EXPECT_EQ(t.groups[0].size(), 2u);
  kv_->truncate(t, 32);
  EXPECT_EQ(t.groups[0].size(), 1u);
  EXPECT_EQ(kv_->available(0), 3);
  append(t, 1);
  EXPECT_EQ(t.tokens, 33);
  check({&t});
}

TEST_F(KvBlocksTest, WritingIntoATruncatedCachedBlockForgetsIt) {
  make({{"kv", KvKind::kPaged, 4, 0}});
  const auto text = tokens(64);
  KvTables t = kv_->make_tables(1);
  append(t, 64);
  kv_->publish(t, text, {}, 64);
  EXPECT_TRUE(kv_->page_info(0, t.groups[0][1]).cached);
  kv_->truncate(t, 40);
  append(t, 1);
  EXPECT_FALSE(kv_->page_info(0, t.groups[0][1]).cached);
  check({&t});
  KvTables other = kv_->make_tables(2);
  EXPECT_EQ(kv_->adopt(other, text, {}, 64), 32);
  check({&t, &other});
}

TEST_F(KvBlocksTest, PrefixNeedsTokensAndSalt) {
  make({{"kv", KvKind::kPaged, 8, 0}});
  const auto text = tokens(100);
  KvTables t = kv_->make_tables(1);
  append(t, 100);
  kv_->publish(t, text, {1, 2}, 100);
  kv_->free(t);
  check({});
  KvTables hit = kv_->make_tables(2);
  EXPECT_EQ(kv_->adopt(hit, text, {1, 2}, 99), 96);
  EXPECT_EQ(kv_->available(0), 5);
  KvTables salted = kv_->make_tables(3);
  EXPECT_EQ(kv_->adopt(salted, text, {1, 3}, 99), 0);
  auto changed = text;
  changed[40] = 7;
  KvTables half = kv_->make_tables(4);
  EXPECT_EQ(kv_->adopt(half, changed, {1, 2}, 99), 32);
  // The same block below another parent is another prefix.
  auto shifted = tokens(100);
  shifted[0] = 9;
  KvTables none = kv_->make_tables(5);
  EXPECT_EQ(kv_->adopt(none, shifted, {1, 2}, 99), 0);
  check({&hit, &half});
}

TEST_F(KvBlocksTest, EvictsTheLeastRecentlyUsedTailFirst) {
  make({{"kv", KvKind::kPaged, 4, 0}});
  const auto text = tokens(64), other = tokens(64, 500);
  for (const auto& t : {text, other}) {
    KvTables tables = kv_->make_tables(1);
    append(tables, 64);
    kv_->publish(tables, t, {}, 64);
    kv_->free(tables);
  }
  EXPECT_EQ(kv_->available(0), 4);
  KvTables fresh = kv_->make_tables(2);
  append(fresh, 32);  // takes the second block of `text`
  EXPECT_EQ(kv_->stats().evictions, 1);
  KvTables a = kv_->make_tables(3), b = kv_->make_tables(4);
  EXPECT_EQ(kv_->adopt(a, text, {}, 64), 32);
  EXPECT_EQ(kv_->adopt(b, other, {}, 64), 64);
  check({&fresh, &a, &b});
  EXPECT_FALSE(kv_->append(fresh, 1, 0, copies_));
}

TEST_F(KvBlocksTest, WindowFreesWhatNoQueryCanSee) {
  make({{"kv", KvKind::kWindowed, 4, 40}});
  KvTables t = kv_->make_tables(1);
  append(t, 96);
  kv_->leave_window(t, 71);  // sees 32 … 71
  EXPECT_EQ(t.groups[0][0], kNoPage);
  EXPECT_NE(t.groups[0][1], kNoPage);
  kv_->leave_window(t, 103);  // sees 64 …
  EXPECT_EQ(t.groups[0][1], kNoPage);
  EXPECT_EQ(kv_->available(0), 3);
  check({&t});
}

TEST_F(KvBlocksTest, WindowedPrefixNeedsTheWindowsBlocksAlone) {
  make({{"full", KvKind::kPaged, 8, 0}, {"window", KvKind::kWindowed, 4, 40}});
  const auto text = tokens(128);
  KvTables t = kv_->make_tables(1);
  append(t, 96);
  kv_->publish(t, text, {}, 96);
  kv_->leave_window(t, 96);
  KvTables hit = kv_->make_tables(2);
  EXPECT_EQ(kv_->adopt(hit, text, {}, 127), 96);
  EXPECT_EQ(hit.groups[1][0], kNoPage);
  EXPECT_NE(hit.groups[1][1], kNoPage);
  check({&t, &hit});
}

TEST_F(KvBlocksTest, FixedStateIsOnePageCopiedAfterAFork) {
  make({{"kv", KvKind::kPaged, 8, 0}, {"state", KvKind::kFixed, 2, 0}});
  KvTables a = kv_->make_tables(1);
  append(a, 40);
  EXPECT_EQ(a.groups[1].size(), 1u);
  KvTables b = kv_->fork(a, 1);
  append(a, 1);
  EXPECT_EQ(copies_.size(), 2u);
  append(b, 1);
  EXPECT_EQ(copies_.size(), 2u);
  EXPECT_EQ(kv_->available(1), 0);
  EXPECT_FALSE(kv_->prefix_cache_enabled());
  check({&a, &b});
}

TEST_F(KvBlocksTest, CrossPagesAreTakenOnceAndShared) {
  make({{"kv", KvKind::kPaged, 8, 0}, {"cross", KvKind::kCross, 4, 0}});
  KvTables a = kv_->make_tables(1);
  ASSERT_TRUE(kv_->append(a, 10, 70, copies_));
  EXPECT_EQ(a.groups[1].size(), 3u);
  KvTables b = kv_->fork(a, 1);
  ASSERT_TRUE(kv_->append(b, 40, 70, copies_));
  EXPECT_EQ(kv_->available(1), 1);
  KvTables c = kv_->make_tables(2);
  EXPECT_EQ(kv_->max_append(c, 1, 70), 0);
  check({&a, &b});
}

TEST_F(KvBlocksTest, ConservationCheckFindsALostPage) {
  make({{"kv", KvKind::kPaged, 4, 0}});
  KvTables t = kv_->make_tables(7);
  append(t, 40);
  const ChecksThrow scope;
  EXPECT_THROW(check({}), Error);        // two pages that nobody names
  EXPECT_THROW(check({&t, &t}), Error);  // named twice, counted once
  check({&t});
}

}  // namespace
}  // namespace ingot
