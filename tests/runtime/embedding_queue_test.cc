#include "runtime/embedding_queue.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace embedding_queue_test {

// The vector of a sequence: its length, its first id, its last. Steps are written down.
class CountingModel final : public EmbeddingModel {
 public:
  const EmbeddingLimits& limits() const override { return limits_; }
  std::vector<std::vector<float>> embed(
      std::span<const std::span<const int32_t>> sequences) override {
    int64_t tokens = 0;
    std::vector<std::vector<float>> out;
    std::vector<int32_t> firsts;
    for (const auto ids : sequences) {
      tokens += static_cast<int64_t>(ids.size());
      if (ids[0] == kFails) throw Error(ErrorCode::kInternal, "told to");
      if (ids[0] == kNoMemory) throw std::bad_alloc();
      firsts.push_back(ids[0]);
      out.push_back({static_cast<float>(ids.size()), static_cast<float>(ids[0]),
                     ids[0] == kNan ? std::numeric_limits<float>::quiet_NaN()
                                    : static_cast<float>(ids.back())});
    }
    EXPECT_LE(tokens, limits_.step_tokens);
    EXPECT_LE(static_cast<int64_t>(sequences.size()), limits_.rows);
    EXPECT_FALSE(sequences.empty());
    steps.push_back(firsts);
    return out;
  }

  static constexpr int32_t kFails = 901, kNoMemory = 902, kNan = 903;
  std::vector<std::vector<int32_t>> steps;  // first ids of the sequences of each

 private:
  EmbeddingLimits limits_ = {
      .vocab_size = 1000, .columns = 3, .max_tokens = 10, .step_tokens = 16, .rows = 4};
};

std::vector<int32_t> sequence(int32_t first, size_t length) {
  std::vector<int32_t> out(length, first + 500);
  out[0] = first;
  return out;
}

// Sequences whose first ids count from `first`.
std::vector<std::vector<int32_t>> row_of(int32_t count, size_t length, int32_t first = 0) {
  std::vector<std::vector<int32_t>> out(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = sequence(first + i, length);
  return out;
}

struct Harness {
  explicit Harness(EmbeddingQueueOptions options = {}) : queue(model, options, clock) {
    spdlog::set_level(spdlog::level::critical);
  }
  ~Harness() { spdlog::set_level(spdlog::level::warn); }
  void all_steps() {
    while (queue.step()) {
    }
  }
  CountingModel model;
  FakeClock clock;
  EmbeddingQueue queue;
};

TEST(EmbeddingQueue, VectorsComeInTheOrderOfTheSequences) {
  Harness h;
  std::vector<std::vector<int32_t>> sequences = row_of(20, 1);
  for (size_t i = 0; i < 20; ++i) sequences[i].resize(i % 10 + 1, 7);
  int rung = 0;
  const auto job = h.queue.submit(sequences, [&] { ++rung; });
  EXPECT_FALSE(job->ended());
  EXPECT_EQ(job->tokens(), 110);
  EXPECT_EQ(h.queue.stats().waiting, 20);
  EXPECT_EQ(h.queue.stats().queued_tokens, 110);
  h.all_steps();
  ASSERT_TRUE(job->ended());
  EXPECT_EQ(rung, 1);
  EXPECT_EQ(job->reason(), FinishReason::kStop);
  ASSERT_EQ(job->vectors().size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(job->vectors()[i][0], static_cast<float>(sequences[i].size()));
    EXPECT_EQ(job->vectors()[i][1], static_cast<float>(i));
  }
  const LoopStats stats = h.queue.stats();
  EXPECT_EQ(stats.prompt_tokens, 110);
  EXPECT_EQ(stats.requests_finished, 1);
  EXPECT_EQ(stats.waiting + stats.running + stats.queued_requests + stats.queued_tokens, 0);
  EXPECT_EQ(stats.steps, static_cast<int64_t>(h.model.steps.size()));
}

// A list of many does not hold up who comes after it, and a long text is not passed over for ever.
TEST(EmbeddingQueue, JobsTakeTurns) {
  Harness h;
  const auto list = h.queue.submit(row_of(12, 5));
  const auto one = h.queue.submit({sequence(100, 5)});
  h.queue.step();
  EXPECT_TRUE(one->ended());
  EXPECT_FALSE(list->ended());
  EXPECT_EQ(h.model.steps[0], (std::vector<int32_t>{0, 100, 1}));
  const auto longest = h.queue.submit({sequence(200, 10)});
  for (const auto& one : row_of(3, 7, 300)) h.queue.submit({one});
  h.queue.step();
  EXPECT_EQ(h.model.steps[1], (std::vector<int32_t>{2, 200})) << "what fits, in order";
  h.queue.step();
  EXPECT_EQ(h.model.steps[2], (std::vector<int32_t>{300, 301}));
  EXPECT_TRUE(longest->ended());
  h.all_steps();
  EXPECT_EQ(list->reason(), FinishReason::kStop);
}

TEST(EmbeddingQueue, WhoIsGoneIsNotComputed) {
  Harness h;
  const auto job = h.queue.submit(row_of(8, 4));
  h.queue.step();
  job->cancel();
  EXPECT_FALSE(h.queue.step());
  ASSERT_TRUE(job->ended());
  EXPECT_EQ(job->reason(), FinishReason::kCancelled);
  EXPECT_TRUE(job->vectors().empty());
  EXPECT_EQ(h.model.steps.size(), 1u);
  EXPECT_EQ(h.queue.stats().requests_cancelled, 1);
  EXPECT_EQ(h.queue.stats().waiting, 0);
}

TEST(EmbeddingQueue, DeadlinesEndWhatWaits) {
  Harness h;
  h.clock.advance_ns(10);
  const auto late = h.queue.submit({sequence(1, 4)}, nullptr, 15);
  const auto free = h.queue.submit({sequence(2, 4)});
  h.clock.advance_ns(5);
  h.all_steps();
  EXPECT_EQ(late->reason(), FinishReason::kTimeout);
  EXPECT_EQ(free->reason(), FinishReason::kStop);
  EXPECT_EQ(h.queue.stats().requests_timed_out, 1);
}

TEST(EmbeddingQueue, AFullQueueRefusesAtOnce) {
  Harness h({.max_queued_requests = 2, .max_queued_tokens = 20});
  const auto first = h.queue.submit({sequence(1, 8)});
  int rung = 0;
  const auto large = h.queue.submit({sequence(2, 9), sequence(3, 9)}, [&] { ++rung; });
  EXPECT_TRUE(large->ended());
  EXPECT_EQ(large->reason(), FinishReason::kOverloaded);
  EXPECT_EQ(rung, 1);
  const auto second = h.queue.submit({sequence(4, 1)});
  EXPECT_FALSE(second->ended());
  EXPECT_EQ(h.queue.submit({sequence(5, 1)})->reason(), FinishReason::kOverloaded);
  EXPECT_EQ(h.queue.stats().requests_overloaded, 2);
  EXPECT_EQ(h.queue.stats().queued_requests, 2);
  h.all_steps();
  EXPECT_EQ(first->reason(), FinishReason::kStop);
  const auto again = h.queue.submit({sequence(6, 8), sequence(7, 8)});
  EXPECT_FALSE(again->ended());
  h.all_steps();
  EXPECT_EQ(again->reason(), FinishReason::kStop);
}

// A step that fails ends those that were in it; the others go on.
TEST(EmbeddingQueue, FaultsEndTheJobsOfTheirStep) {
  Harness h;
  const auto fails =
      h.queue.submit({sequence(1, 10), sequence(CountingModel::kFails, 10), sequence(2, 10)});
  const auto other = h.queue.submit({sequence(3, 10), sequence(4, 10)});
  const auto memory = h.queue.submit({sequence(CountingModel::kNoMemory, 10)});
  h.all_steps();
  EXPECT_EQ(fails->reason(), FinishReason::kInternal);
  EXPECT_TRUE(fails->vectors().empty());
  EXPECT_EQ(other->reason(), FinishReason::kStop);
  EXPECT_EQ(memory->reason(), FinishReason::kOutOfMemory);
  const auto nan = h.queue.submit({sequence(1, 2), sequence(CountingModel::kNan, 2)});
  const auto beside = h.queue.submit({sequence(5, 2)});
  h.all_steps();
  EXPECT_EQ(nan->reason(), FinishReason::kBadLogits);
  EXPECT_EQ(beside->reason(), FinishReason::kStop) << "of the same step";
}

TEST(EmbeddingQueue, WhatIsLeftEndsWithTheQueue) {
  std::shared_ptr<EmbeddingJob> job;
  {
    Harness h;
    job = h.queue.submit({sequence(1, 4)});
  }
  EXPECT_EQ(job->reason(), FinishReason::kCancelled);
  Harness h;
  h.queue.stop();
  job = h.queue.submit({sequence(1, 4)});
  EXPECT_EQ(job->reason(), FinishReason::kCancelled) << "at once";
  h.queue.run();
}

// Many threads: every job gets its own vectors, whether others give up or not.
TEST(EmbeddingQueue, ManyCallers) {
  Harness h;
  std::thread engine([&] { h.queue.run(); });
  std::vector<std::thread> callers;
  callers.reserve(4);
  std::atomic<int> right{0}, cancelled{0};
  for (int32_t t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (int32_t i = 0; i < 50; ++i) {
        const int32_t first = t * 100 + i;
        const auto rung = std::make_shared<std::atomic<bool>>(false);
        const auto job =
            h.queue.submit({sequence(first, 3), sequence(first, 7), sequence(first, 10)}, [rung] {
              rung->store(true);
              rung->notify_one();
            });
        if (i % 5 == 0) job->cancel();
        rung->wait(false);
        ASSERT_TRUE(job->ended());
        if (job->reason() == FinishReason::kCancelled) {
          ++cancelled;
          continue;
        }
        ASSERT_EQ(job->reason(), FinishReason::kStop);
        const auto& vectors = job->vectors();
        right += vectors[0][0] == 3 && vectors[1][0] == 7 && vectors[2][0] == 10 &&
                 vectors[1][1] == static_cast<float>(first);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  h.queue.stop();
  engine.join();
  EXPECT_EQ(right.load() + cancelled.load(), 200);
  EXPECT_GE(right.load(), 160);
}

}  // namespace embedding_queue_test
}  // namespace ingot
