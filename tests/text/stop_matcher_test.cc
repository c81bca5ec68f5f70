#include "text/stop_matcher.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(StopMatcher, HoldsBackWhatMayBeAStop) {
  StopMatcher m({"</end>"});
  EXPECT_EQ(m.push("abc<"), "abc");
  EXPECT_EQ(m.push("/e"), "");
  EXPECT_EQ(m.push("x"), "</ex");
  EXPECT_EQ(m.push("y</e"), "y");
  EXPECT_EQ(m.push("nd>rest"), "");
  EXPECT_TRUE(m.stopped());
  EXPECT_EQ(m.stop_index(), 0);
  EXPECT_EQ(m.push("more"), "");
  EXPECT_EQ(m.flush(), "");
}

TEST(StopMatcher, FlushGivesBackAnUnfinishedStop) {
  StopMatcher m({"STOP"});
  EXPECT_EQ(m.push("go STO"), "go ");
  EXPECT_EQ(m.flush(), "STO");
  EXPECT_FALSE(m.stopped());
  EXPECT_EQ(m.push("P"), "P");
}

TEST(StopMatcher, FirstToCompleteWinsAndTheLongestOfThose) {
  StopMatcher m({"", "bc", "abcd", "abc"});
  EXPECT_EQ(m.push("xabcd"), "x");
  EXPECT_EQ(m.stop_index(), 3);
}

TEST(StopMatcher, OverlappingPrefixes) {
  StopMatcher m({"aab"});
  EXPECT_EQ(m.push("aaaa"), "aa");
  EXPECT_EQ(m.push("b!"), "");
  EXPECT_TRUE(m.stopped());
}

TEST(StopMatcher, NoStopsPassEverything) {
  StopMatcher m({});
  EXPECT_EQ(m.push("abc"), "abc");
  EXPECT_EQ(m.flush(), "");
}

// Against a search in the whole text, for every way to cut it.
TEST(StopMatcher, EqualsASearchOfTheWholeText) {
  uint64_t state = 11;
  const auto next = [&](int n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<int>((state >> 33) % static_cast<uint64_t>(n));
  };
  for (int round = 0; round < 3000; ++round) {
    const auto word = [&](int longest) {
      std::string s;
      for (int n = 1 + next(longest); n > 0; --n) s += static_cast<char>('a' + next(2));
      return s;
    };
    const std::vector<std::string> stops = {word(5), word(4) + "b"};
    const std::string text = word(24);
    size_t end = text.size() + 1, length = 0;
    for (const std::string& stop : stops) {
      const size_t at = text.find(stop);
      if (at == std::string::npos) continue;
      const size_t stop_end = at + stop.size();
      if (stop_end < end || (stop_end == end && stop.size() > length)) {
        end = stop_end;
        length = stop.size();
      }
    }
    const std::string want = end > text.size() ? text : text.substr(0, end - length);
    StopMatcher m(stops);
    std::string got;
    for (size_t i = 0; i < text.size();) {
      const size_t n = static_cast<size_t>(1 + next(4));
      got += m.push(std::string_view(text).substr(i, n));
      i += n;
    }
    got += m.flush();
    ASSERT_EQ(got, want) << text << " stops " << stops[0] << " " << stops[1];
  }
}

}  // namespace
}  // namespace ingot
