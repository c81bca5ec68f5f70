#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/function_ref.h"

namespace ingot {
namespace {

TEST(Clock, FakeClockMovesOnlyWhenTold) {
  FakeClock clock;
  EXPECT_EQ(clock.now_ns(), 0);
  clock.advance_ns(5);
  EXPECT_EQ(clock.now_ns(), 5);
}

TEST(Clock, SteadyClockDoesNotGoBack) {
  const SteadyClock clock;
  int64_t last = clock.now_ns();
  for (int i = 0; i < 1000; ++i) {
    const int64_t now = clock.now_ns();
    ASSERT_GE(now, last);
    last = now;
  }
  Stopwatch watch;
  EXPECT_GE(watch.ms(), 0.0);
}

TEST(FunctionRef, CallsTheBorrowedCallable) {
  int calls = 0;
  auto add = [&calls](int x) { return calls += x; };
  FunctionRef<int(int)> ref = add;
  EXPECT_EQ(ref(2), 2);
  FunctionRef<int(int)> copy = ref;
  EXPECT_EQ(copy(3), 5);
  EXPECT_EQ(calls, 5);
}

}  // namespace
}  // namespace ingot
