#include "text/grammar_cache.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

std::shared_ptr<const GrammarVocabulary> small_vocabulary() {
  return GrammarVocabulary::create(*byte_level_tokenizer(), {261});
}

GrammarSource regex(const std::string& text) { return {GrammarKind::kRegex, text}; }

TEST(GrammarCache, KeepsByKindAndText) {
  GrammarCache cache(small_vocabulary(), size_t{1} << 20);
  const auto first = cache.get(regex("a+"));
  EXPECT_EQ(cache.get(regex("a+")), first);
  EXPECT_NE(cache.get(regex("a*b")), first);
  EXPECT_NE(cache.get({GrammarKind::kEbnf, "root ::= \"a+\""}), first);
  EXPECT_EQ(cache.stats().hits, 1U);
  EXPECT_EQ(cache.stats().misses, 3U);
  EXPECT_EQ(cache.stats().grammars, 3U);
}

TEST(GrammarCache, TheLeastRecentlyUsedGoes) {
  const auto vocabulary = small_vocabulary();
  const size_t one = Grammar::compile(vocabulary, regex("a{5}"))->bytes();
  GrammarCache cache(vocabulary, one * 5 / 2);
  const auto a = cache.get(regex("a{5}"));
  const auto b = cache.get(regex("b{5}"));
  EXPECT_EQ(cache.get(regex("a{5}")), a);
  const auto c = cache.get(regex("c{5}"));  // b goes
  EXPECT_EQ(cache.get(regex("a{5}")), a);
  EXPECT_EQ(cache.get(regex("c{5}")), c);
  EXPECT_NE(cache.get(regex("b{5}")), b);
  EXPECT_LE(cache.stats().bytes, one * 5 / 2);
  GrammarCache none(vocabulary, 1);
  EXPECT_NE(none.get(regex("a")), nullptr);
  EXPECT_EQ(none.stats().grammars, 0U);
}

TEST(GrammarCache, FaultsAreNotKept) {
  GrammarCache cache(small_vocabulary(), size_t{1} << 20);
  EXPECT_THROW(cache.get(regex("(")), Error);
  EXPECT_THROW(cache.get(regex("(")), Error);
  EXPECT_EQ(cache.stats().misses, 2U);
  EXPECT_EQ(cache.stats().grammars, 0U);
}

TEST(GrammarCache, ThreadsCompileOnce) {
  GrammarCache cache(small_vocabulary(), size_t{16} << 20);
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<const Grammar>> got(4);
  for (auto& mine : got) {
    threads.emplace_back([&cache, &mine] { mine = cache.get({GrammarKind::kJsonObject, ""}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : got) EXPECT_EQ(mine, got[0]);
  EXPECT_EQ(cache.stats().misses, 1U);
}

}  // namespace
}  // namespace ingot
