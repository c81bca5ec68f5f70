#include "text/grammar_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
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
  EXPECT_EQ(cache.kept(regex("a+")), first);
  EXPECT_EQ(cache.kept(regex("a")), nullptr);
  EXPECT_EQ(cache.stats().hits, 2U);
  EXPECT_EQ(cache.stats().misses, 3U);
}

TEST(GrammarCache, TheLeastRecentlyUsedGoes) {
  const auto vocabulary = small_vocabulary();
  const auto like_all = Grammar::compile(vocabulary, regex("a{5}"));
  check_start(like_all);  // as the cache does
  const size_t one = like_all->bytes();
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

// Those who wait for another's compiling get its grammar or its error.
TEST(GrammarCache, WaitersShareWhatComesOfIt) {
  const auto vocabulary = small_vocabulary();
  for (const bool fails : {false, true}) {
    std::atomic<int> compiling = 0;
    std::promise<void> go;
    const std::shared_future<void> gate = go.get_future().share();
    GrammarCache cache(
        [&](const GrammarSource& source) {
          ++compiling;
          gate.wait();
          if (fails) throw std::runtime_error("a fault of some kind");
          return Grammar::compile(vocabulary, source);
        },
        size_t{1} << 20);
    std::atomic<int> good = 0, bad = 0;
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        try {
          if (cache.get(regex("a")) != nullptr) ++good;
        } catch (const std::runtime_error&) {
          ++bad;
        }
      });
    }
    while (cache.stats().hits + cache.stats().misses < 4) std::this_thread::yield();
    go.set_value();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(compiling, 1);
    EXPECT_EQ(good, fails ? 0 : 4);
    EXPECT_EQ(bad, fails ? 4 : 0);
    EXPECT_EQ(cache.stats().grammars, fails ? 0U : 1U);
    if (fails) {
      EXPECT_THROW(cache.get(regex("a")), std::runtime_error);  // tries again
    }
    EXPECT_EQ(compiling, fails ? 2 : 1);
  }
}

// A machine that stalls makes nobody's form a wrong one: the limits' time is time on a core.
TEST(GrammarCache, AWaitOfAnyLengthIsNoFault) {
  const auto vocabulary = small_vocabulary();
  GrammarLimits limits;
  limits.max_time = std::chrono::milliseconds(200);
  std::promise<void> go;
  GrammarCache cache(
      [&](const GrammarSource& source) {
        go.get_future().wait();
        return Grammar::compile(vocabulary, source, limits);
      },
      size_t{1} << 20);
  std::vector<std::thread> threads;
  threads.reserve(2);
  std::atomic<int> good = 0;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { good += cache.get(regex("a")) != nullptr; });
  }
  while (cache.stats().hits + cache.stats().misses < 2) std::this_thread::yield();
  std::this_thread::sleep_for(2 * limits.max_time);
  go.set_value();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 2);
}

TEST(GrammarCache, ThreadsCompileOnce) {
  GrammarCache cache(small_vocabulary(), size_t{16} << 20);
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<const Grammar>> got(4);
  threads.reserve(got.size());
  for (auto& mine : got) {
    threads.emplace_back([&cache, &mine] { mine = cache.get({GrammarKind::kJsonObject, ""}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : got) EXPECT_EQ(mine, got[0]);
  EXPECT_EQ(cache.stats().misses, 1U);
}

}  // namespace
}  // namespace ingot
