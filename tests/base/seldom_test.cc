#include "base/seldom.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Seldom, IsDueOnceInItsTime) {
  FakeClock clock;
  Seldom seldom(clock, 100);
  EXPECT_TRUE(seldom.due());
  EXPECT_FALSE(seldom.due());
  clock.advance_ns(99);
  EXPECT_FALSE(seldom.due());
  clock.advance_ns(1);
  EXPECT_TRUE(seldom.due());
  clock.advance_ns(99);
  EXPECT_FALSE(seldom.due()) << "counted from when it last was";
  clock.advance_ns(1000);
  EXPECT_TRUE(seldom.due());
  EXPECT_FALSE(seldom.due());
}

}  // namespace
}  // namespace ingot
