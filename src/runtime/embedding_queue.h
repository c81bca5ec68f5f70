// Embeddings for many callers: their sequences share the steps of one model.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "runtime/embedding_model.h"
#include "runtime/loop_stats.h"
#include "runtime/queue_gauge.h"
#include "runtime/request.h"

namespace ingot {

struct EmbeddingQueueOptions {
  // Bounds of jobs that wait for their first step, and of their tokens; 0: none. A job that finds
  // no room ends at once with kOverloaded.
  int64_t max_queued_requests = 0;
  int64_t max_queued_tokens = 0;
};

// The sequences of one caller. Shared by the caller and the queue.
class EmbeddingJob {
 public:
  // Any thread. What has not begun is dropped, and the job ends with kCancelled.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  // Once ended() is true. kStop: all vectors are there, in the order of the sequences. Otherwise
  // none is: kCancelled, kTimeout, kOverloaded, kBadLogits (numbers that are not finite),
  // kOutOfMemory or kInternal (a step failed; the log says why).
  FinishReason reason() const { return reason_; }
  const std::vector<std::vector<float>>& vectors() const { return vectors_; }
  int64_t tokens() const { return tokens_; }

 private:
  friend class EmbeddingQueue;
  std::vector<std::vector<int32_t>> sequences_;
  std::vector<std::vector<float>> vectors_;
  size_t begun_ = 0, done_ = 0;  // sequences
  int64_t tokens_ = 0;
  int64_t deadline_ns_ = 0;  // on the queue's clock; 0: none
  std::function<void()> on_end_;
  QueueTicket ticket_;
  FinishReason reason_ = FinishReason::kNone;
  std::atomic<bool> cancelled_{false}, ended_{false};
};

class EmbeddingQueue {
 public:
  // `model` and `clock` are borrowed.
  EmbeddingQueue(EmbeddingModel& model, EmbeddingQueueOptions options, const Clock& clock);
  // No thread may be in run() or submit(). Jobs still live end with kCancelled.
  ~EmbeddingQueue();
  EmbeddingQueue(const EmbeddingQueue&) = delete;
  EmbeddingQueue& operator=(const EmbeddingQueue&) = delete;

  const EmbeddingLimits& limits() const { return model_.limits(); }

  // Any thread. Sequences as EmbeddingModel::embed() takes them, one at least (CHECK).
  // `on_end` is called once, without a lock, when the job has ended, on the thread that ended it:
  // the engine's, or the caller's before submit() returns; it must not block. `deadline_ns`: on the
  // queue's clock, 0 for none.
  std::shared_ptr<EmbeddingJob> submit(std::vector<std::vector<int32_t>> sequences,
                                       std::function<void()> on_end = nullptr,
                                       int64_t deadline_ns = 0);

  // Engine thread. One step: sequences of the jobs in turn, one of each until the step is full, so
  // that a long list holds nobody up. False: nothing waits. A fault of the model ends the jobs of
  // its step; the queue goes on.
  bool step();
  // Engine thread: steps until stop(). Jobs still live then end with kCancelled, and later ones at
  // once.
  void run();
  void stop();  // any thread

  // Any thread. Sequences count as in a loop of text (loop_stats.h); there are no pages to tell.
  LoopStats stats() const;

 private:
  using Jobs = std::vector<std::shared_ptr<EmbeddingJob>>;
  struct Row {
    std::shared_ptr<EmbeddingJob> job;
    size_t index;
  };
  // These are under the mutex. What they end goes to `over`.
  void drop_ended(Jobs& over);
  std::vector<Row> take_rows();
  void end(const std::shared_ptr<EmbeddingJob>& job, FinishReason reason, Jobs& over);
  void keep(const std::vector<Row>& rows, std::vector<std::vector<float>> vectors, Jobs& over);

  std::vector<std::vector<float>> compute(const std::vector<Row>& rows, FinishReason& fault);
  static void announce(const Jobs& over);

  EmbeddingModel& model_;
  const Clock& clock_;
  QueueGauge gauge_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::shared_ptr<EmbeddingJob>> jobs_;  // whose sequences have not all begun; in turn
  bool stopping_ = false;
  LoopStats stats_;
};

}  // namespace ingot
