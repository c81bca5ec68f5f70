#include "base/thread_team.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/knobs.h"

namespace ingot {
namespace {

TEST(ThreadTeam, EveryWorkerRunsOnce) {
  for (int size : {1, 2, 3, 8}) {
    ThreadTeam team(size);
    ASSERT_EQ(team.size(), size);
    std::vector<std::atomic<int>> runs(static_cast<size_t>(size));
    for (int round = 0; round < 200; ++round) {
      team.run([&](int worker, int workers) {
        EXPECT_EQ(workers, size);
        runs[static_cast<size_t>(worker)].fetch_add(1);
      });
    }
    for (auto& count : runs) EXPECT_EQ(count.load(), 200);
  }
}

TEST(ThreadTeam, CallerIsWorkerZero) {
  ThreadTeam team(3);
  const std::thread::id caller = std::this_thread::get_id();
  team.run([&](int worker, int) { EXPECT_EQ(worker == 0, std::this_thread::get_id() == caller); });
}

TEST(ThreadTeam, ParallelForVisitsEachIndexOnce) {
  ThreadTeam team(4);
  for (int64_t count : {0, 1, 7, 64, 1000}) {
    for (int64_t grain : {1, 3, 64, 5000, 0, -1}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
      team.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
        EXPECT_LT(begin, end);
        for (int64_t i = begin; i < end; ++i) visits[static_cast<size_t>(i)].fetch_add(1);
      });
      for (auto& v : visits) EXPECT_EQ(v.load(), 1);
    }
  }
}

TEST(ThreadTeam, AnErrorInABodyReachesTheCaller) {
  for (int size : {1, 4}) {
    ThreadTeam team(size);
    for (int64_t bad : {0, 37, 99}) {
      try {
        team.parallel_for(100, 1, [&](int64_t begin, int64_t end) {
          if (begin <= bad && bad < end) {
            fail(ErrorCode::kInvalidArgument, "test", "index {}", bad);
          }
        });
        ADD_FAILURE() << "nothing thrown";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
        EXPECT_NE(std::string(error.what()).find(fmt::format("index {}", bad)), std::string::npos);
      }
      // The team goes on working.
      std::atomic<int> visits{0};
      team.parallel_for(
          100, 1, [&](int64_t begin, int64_t end) { visits += static_cast<int>(end - begin); });
      EXPECT_EQ(visits.load(), 100);
    }
  }
}

// The address space of a child process is too small for the stacks of so many threads.
#ifndef INGOT_SANITIZED  // sanitizers need the address space that this takes away
TEST(ThreadTeam, AFailedCheckInABodyReachesACallerThatAsksForIt) {
  ThreadTeam team(3);
  const ChecksThrow scope;
  EXPECT_THROW(team.parallel_for(100, 1, [](int64_t begin, int64_t) { CHECK_LT(begin, 50); }),
               Error);
  std::atomic<int> left{0};
  team.run([&](int worker, int) { left += worker > 0 && ChecksThrow::here(); });
  EXPECT_EQ(left.load(), 0);
}

TEST(ThreadTeamDeathTest, ThreadsThatCannotStartAreAnError) {
  auto start = [] {
    const rlimit limit = {rlim_t{1} << 30, rlim_t{1} << 30};
    ::setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadTeam team(1024);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::_Exit(error.code() == ErrorCode::kOutOfMemory ? 7 : 8);
    }
    std::_Exit(9);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(start(), testing::ExitedWithCode(7), "starting thread [0-9]+ of 1023 failed");
}
#endif

TEST(ThreadTeam, BarrierMakesWritesVisible) {
  constexpr int kSize = 4;
  ThreadTeam team(kSize);
  std::vector<int> cells(kSize);  // plain ints: the barrier alone orders them
  std::atomic<int> wrong{0};
  team.run([&](int worker, int workers) {
    for (int round = 1; round <= 100; ++round) {
      cells[static_cast<size_t>(worker)] = round;
      team.barrier();
      if (std::accumulate(cells.begin(), cells.end(), 0) != round * workers) ++wrong;
      team.barrier();
    }
  });
  EXPECT_EQ(wrong.load(), 0);
}

TEST(ThreadTeam, WorkersThatSleepWakeUp) {
  set_knob("spin_us", "0");
  {
    ThreadTeam team(2);
    std::atomic<int> runs{0};
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      team.run([&](int, int) { ++runs; });
    }
    EXPECT_EQ(runs.load(), 40);
  }
  set_knob("spin_us", "50");
}

TEST(ThreadTeam, SizeComesFromKnobOrMachine) {
  set_knob("threads", "3");
  EXPECT_EQ(ThreadTeam().size(), 3);
  set_knob("threads", "0");
  EXPECT_EQ(ThreadTeam().size(), available_cpus());
  set_knob("threads", "1025");
  EXPECT_THROW(ThreadTeam(-1), Error);
  set_knob("threads", "0");
  EXPECT_GE(available_cpus(), 1);
}

TEST(ThreadTeam, QuotasCountAsCpus) {
  EXPECT_EQ(quota_cpus("200000 100000"), 2);
  EXPECT_EQ(quota_cpus("150000 100000"), 2);
  EXPECT_EQ(quota_cpus("1000 100000"), 1);
  for (const char* none : {"max 100000", "-1 100000", "", "5", "x y", "100 0", " "}) {
    EXPECT_EQ(quota_cpus(none), 0) << none;
  }
}

TEST(ThreadTeam, PinnedWorkersRun) {
  ThreadTeam team(2, /*pin=*/true);
  std::atomic<int> runs{0};
  team.run([&](int, int) { ++runs; });
  EXPECT_EQ(runs.load(), 2);
}

TEST(ThreadTeam, TwoTeamsOfTwoThreadsWorkSideBySide) {
  std::atomic<int> runs{0};
  std::thread other([&] {
    ThreadTeam team(2);
    for (int i = 0; i < 100; ++i) team.run([&](int, int) { ++runs; });
  });
  ThreadTeam team(2);
  for (int i = 0; i < 100; ++i) team.run([&](int, int) { ++runs; });
  other.join();
  EXPECT_EQ(runs.load(), 400);
}

}  // namespace
}  // namespace ingot
