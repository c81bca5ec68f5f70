#include "runtime/loop_stats.h"

#include <gtest/gtest.h>

#include <thread>

namespace ingot {
namespace {

// Every number is derived from `n`, each in its own way.
LoopStats stats_of(int64_t n) {
  LoopStats out;
  out.queued_requests = n;
  out.queued_tokens = n + 1;
  out.running = n + 2;
  out.waiting = n + 3;
  out.steps = n + 4;
  out.requests_finished = n + 5;
  out.requests_refused = n + 6;
  out.requests_overloaded = n + 7;
  out.requests_cancelled = n + 8;
  out.requests_timed_out = n + 9;
  out.prompt_tokens = n + 10;
  out.output_tokens = n + 11;
  out.prefix_hits = n + 12;
  out.prefix_hit_tokens = n + 13;
  out.preemptions = n + 14;
  out.step_tokens = n + 23;
  out.put_off = n + 24;
  out.paused = n + 39;
  out.pauses = n + 40;
  for (int64_t& steps : out.steps_of_tokens) steps = n + 25 + (&steps - out.steps_of_tokens.data());
  out.pages = {{"a", n + 15, n + 16, n + 17, n + 18}, {"b", n + 19, n + 20, n + 21, n + 22}};
  return out;
}

TEST(StatsBoard, GivesWhatWasPublishedLast) {
  StatsBoard board(stats_of(100));
  EXPECT_EQ(board.read(), stats_of(100));
  board.publish(stats_of(7));
  EXPECT_EQ(board.read(), stats_of(7));
}

TEST(StatsBoard, ReadersSeeOneTimeOnly) {
  StatsBoard board(stats_of(0));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  std::atomic<int> torn{0};
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      int64_t last = 0;
      while (!stop) {
        const LoopStats got = board.read();
        torn += got != stats_of(got.queued_requests) || got.queued_requests < last;
        last = got.queued_requests;
      }
    });
  }
  for (int64_t n = 1; n <= 20000; ++n) {
    board.publish(stats_of(n));
    if (n % 64 == 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(board.read(), stats_of(20000));
}

}  // namespace
}  // namespace ingot
