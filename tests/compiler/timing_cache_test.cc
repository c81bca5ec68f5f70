#include "compiler/timing_cache.h"

#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

TEST(TimingCacheTest, ReadsBackAndMerges) {
  ScratchDirectory dir;
  TimingCache a;
  EXPECT_FALSE(a.changed());
  a.put("one", 1.5);
  a.put("refused", TimingCache::kRefused);
  EXPECT_TRUE(a.changed());
  a.save(dir / "cache.json");
  EXPECT_THAT(read_file(dir / "cache.json"), testing::HasSubstr("\n \"one\": 1.5"));
  TimingCache b = TimingCache::load(dir / "cache.json");
  EXPECT_FALSE(b.changed());
  EXPECT_EQ(b.size(), 2u);
  EXPECT_EQ(b.find("one"), 1.5);
  EXPECT_EQ(b.find("refused"), TimingCache::kRefused);
  EXPECT_EQ(b.find("two"), std::nullopt);
  TimingCache c;
  c.put("one", 9);
  c.put("two", 2);
  b.merge(c);
  EXPECT_EQ(b.find("one"), 1.5) << "what is known stays";
  EXPECT_EQ(b.find("two"), 2);
  EXPECT_TRUE(b.changed());
  TimingCache d = TimingCache::load(dir / "cache.json");
  d.merge(a);
  EXPECT_FALSE(d.changed()) << "nothing new";
}

TEST(TimingCacheTest, WhatIsMalformedIsIgnored) {
  ScratchDirectory dir;
  EXPECT_EQ(TimingCache::load(dir / "absent").size(), 0u);
  EXPECT_EQ(TimingCache::load(dir.path()).size(), 0u);
  for (const char* text : {"", "{", "[1, 2]", "\"x\"", "{\"a\": 1", "\xff\xfe"}) {
    EXPECT_EQ(TimingCache::load(dir.write("bad", text)).size(), 0u) << text;
  }
  const TimingCache some = TimingCache::load(
      dir.write("some", R"({"good": 3, "text": "4", "zero": 0, "negative": -0.5, "list": [1]})"));
  EXPECT_EQ(some.size(), 1u);
  EXPECT_EQ(some.find("good"), 3);
}

TEST(TimingCacheTest, KeysTellApart) {
  std::set<std::string> keys;
  for (const char* device : {"d1", "d2"}) {
    for (const char* kernel : {"k1", "k2"}) {
      for (int version : {1, 2}) {
        for (const char* tactic : {"", "t"}) {
          for (const char* desc : {"x", "y"}) {
            keys.insert(TimingCache::key(device, kernel, version, tactic, desc));
          }
        }
      }
    }
  }
  EXPECT_EQ(keys.size(), 32u);
  for (const std::string& key : keys) {
    EXPECT_TRUE(key.ends_with(fmt::format(" | timed {}", TimingCache::kTimed))) << key;
  }
}

TEST(TimingCacheTest, AnUnwritablePlaceIsAnError) {
  expect_error([] { TimingCache().save("/no/such/folder/cache"); }, ErrorCode::kIo,
               {"/no/such/folder/cache"});
}

}  // namespace
}  // namespace ingot
