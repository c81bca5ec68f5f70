#include "server/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

namespace ingot {
namespace {

TEST(OpenFiles, ConnectionsGetWhatOthersLeave) {
  EXPECT_EQ(connections_under(1024, 10), 1024 - 10 - kOtherFiles);
  EXPECT_EQ(connections_under(256, 10), 256 - 10 - kOtherFiles);
  EXPECT_EQ(connections_under(100, 10), 100 - 10 - 25) << "a quarter of a low limit";
  EXPECT_EQ(connections_under(20, 12), 3);
  EXPECT_EQ(connections_under(20, 19), 1);
  EXPECT_EQ(connections_under(20, 400), 1) << "a limit that was lowered since";
}

// In a process of its own: a hard limit cannot be raised again.
void say_room(rlim_t soft, rlim_t hard, int64_t connections) {
  const rlimit set = {soft, hard};
  if (::setrlimit(RLIMIT_NOFILE, &set) != 0) std::_Exit(1);
  const FileRoom room = make_file_room(connections);
  rlimit found{};
  ::getrlimit(RLIMIT_NOFILE, &found);
  const bool fits = room.connections == connections;
  const bool counted = static_cast<int64_t>(found.rlim_cur) == room.limit;
  std::fprintf(stderr, "soft %s hard %s, %s, %s\n",
               found.rlim_cur == soft             ? "as before"
               : found.rlim_cur == found.rlim_max ? "at the hard one"
                                                  : "between",
               found.rlim_max == hard ? "as before" : "changed", fits ? "all fit" : "fewer fit",
               counted ? "told" : "not told");
  std::_Exit(room.connections >= 1 && room.connections + kOtherFiles <= room.limit ? 0 : 2);
}

TEST(OpenFilesDeathTest, TheSoftLimitIsRaisedAsFarAsNeeded) {
  rlimit limits{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limits), 0);
  if (limits.rlim_max < 2048) GTEST_SKIP() << "at most " << limits.rlim_max << " files here";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto ok = testing::ExitedWithCode(0);
  EXPECT_EXIT(say_room(256, 2048, 10), ok, "soft as before hard as before, all fit, told");
  EXPECT_EXIT(say_room(256, 2048, 1000), ok, "soft between hard as before, all fit, told");
  EXPECT_EXIT(say_room(256, 1024, 1000), ok, "at the hard one hard as before, fewer fit, told");
  EXPECT_EXIT(say_room(512, 512, 8192), ok, "soft as before hard as before, fewer fit, told");
}

}  // namespace
}  // namespace ingot
