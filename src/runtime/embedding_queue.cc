#include "runtime/embedding_queue.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace {

bool is_finite(const std::vector<float>& vector) {
  return std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

EmbeddingQueue::EmbeddingQueue(EmbeddingModel& model, EmbeddingQueueOptions options,
                               const Clock& clock)
    : model_(model),
      clock_(clock),
      gauge_(options.max_queued_requests, options.max_queued_tokens) {}

EmbeddingQueue::~EmbeddingQueue() {
  Jobs over;
  {
    const std::lock_guard lock(mutex_);
    const auto jobs = std::move(jobs_);
    for (const auto& job : jobs) end(job, FinishReason::kCancelled, over);
  }
  announce(over);
}

std::shared_ptr<EmbeddingJob> EmbeddingQueue::submit(std::vector<std::vector<int32_t>> sequences,
                                                     std::function<void()> on_end,
                                                     int64_t deadline_ns) {
  CHECK(!sequences.empty());
  auto job = std::make_shared<EmbeddingJob>();
  for (const auto& ids : sequences) {
    CHECK(!ids.empty() && static_cast<int64_t>(ids.size()) <= limits().max_tokens);
    job->tokens_ += static_cast<int64_t>(ids.size());
  }
  job->vectors_.resize(sequences.size());
  job->sequences_ = std::move(sequences);
  job->on_end_ = std::move(on_end);
  job->deadline_ns_ = deadline_ns;
  job->ticket_ = gauge_.enter(job->tokens_);
  Jobs over;
  {
    const std::lock_guard lock(mutex_);
    if (!job->ticket_) {
      ++stats_.requests_overloaded;
      end(job, FinishReason::kOverloaded, over);
    } else if (stopping_) {
      end(job, FinishReason::kCancelled, over);
    } else {
      jobs_.push_back(job);
    }
  }
  news_.notify_one();
  announce(over);
  return job;
}

void EmbeddingQueue::end(const std::shared_ptr<EmbeddingJob>& job, FinishReason reason,
                         Jobs& over) {
  if (job->reason_ != FinishReason::kNone) return;
  job->reason_ = reason;
  job->ticket_.give_back();
  job->sequences_.clear();
  if (reason != FinishReason::kStop) job->vectors_.clear();
  stats_.requests_finished += reason != FinishReason::kOverloaded;
  stats_.requests_cancelled += reason == FinishReason::kCancelled;
  stats_.requests_timed_out += reason == FinishReason::kTimeout;
  over.push_back(job);
}

void EmbeddingQueue::announce(const Jobs& over) {
  for (const auto& job : over) {
    const std::function<void()> on_end = std::move(job->on_end_);
    job->ended_.store(true, std::memory_order_release);
    if (on_end) on_end();
  }
}

void EmbeddingQueue::drop_ended(Jobs& over) {
  const int64_t now = clock_.now_ns();
  std::erase_if(jobs_, [&](const std::shared_ptr<EmbeddingJob>& job) {
    if (job->cancelled_.load(std::memory_order_relaxed)) {
      end(job, FinishReason::kCancelled, over);
    } else if (job->deadline_ns_ > 0 && now >= job->deadline_ns_) {
      end(job, FinishReason::kTimeout, over);
    }
    return job->reason_ != FinishReason::kNone;
  });
}

// The first job's next sequence always fits, since a step holds the longest; then each job in turn
// gives one, until no job's next one fits. Who comes behind is first in the step that follows.
std::vector<EmbeddingQueue::Row> EmbeddingQueue::take_rows() {
  std::vector<Row> out;
  const EmbeddingLimits& limits = model_.limits();
  int64_t tokens = 0;
  size_t passed = 0;  // jobs in a row whose next sequence does not fit
  while (passed < jobs_.size() && static_cast<int64_t>(out.size()) < limits.rows) {
    const std::shared_ptr<EmbeddingJob> job = jobs_[passed];
    const auto length = static_cast<int64_t>(job->sequences_[job->begun_].size());
    if (tokens + length > limits.step_tokens) {
      ++passed;
      continue;
    }
    tokens += length;
    if (job->begun_ == 0) job->ticket_.give_back();
    out.push_back({job, job->begun_++});
    jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(passed));
    if (job->begun_ < job->sequences_.size()) jobs_.push_back(job);
  }
  stats_.prompt_tokens += tokens;
  return out;
}

std::vector<std::vector<float>> EmbeddingQueue::compute(const std::vector<Row>& rows,
                                                        FinishReason& fault) {
  std::vector<std::span<const int32_t>> sequences;
  sequences.reserve(rows.size());
  for (const Row& row : rows) sequences.emplace_back(row.job->sequences_[row.index]);
  try {
    std::vector<std::vector<float>> out = model_.embed(sequences);
    CHECK_EQ(out.size(), rows.size());
    return out;
  } catch (const std::bad_alloc&) {
    fault = FinishReason::kOutOfMemory;
    spdlog::error("embeddings: a step of {} sequences failed: no memory", rows.size());
  } catch (const Error& error) {
    const bool memory = error.code() == ErrorCode::kOutOfMemory;
    fault = memory ? FinishReason::kOutOfMemory : FinishReason::kInternal;
    spdlog::error("embeddings: a step of {} sequences failed: {}", rows.size(), error.what());
  } catch (const std::exception& error) {
    fault = FinishReason::kInternal;
    spdlog::error("embeddings: a step of {} sequences failed: {}", rows.size(), error.what());
  }
  return {};
}

void EmbeddingQueue::keep(const std::vector<Row>& rows, std::vector<std::vector<float>> vectors,
                          Jobs& over) {
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto& job = rows[r].job;
    if (job->reason_ != FinishReason::kNone) continue;
    if (!is_finite(vectors[r])) {
      end(job, FinishReason::kBadLogits, over);
      continue;
    }
    job->vectors_[rows[r].index] = std::move(vectors[r]);
    if (++job->done_ == job->vectors_.size()) end(job, FinishReason::kStop, over);
  }
}

bool EmbeddingQueue::step() {
  Jobs over;
  std::vector<Row> rows;
  {
    const std::lock_guard lock(mutex_);
    drop_ended(over);
    rows = take_rows();
    stats_.running = static_cast<int64_t>(rows.size());
    stats_.steps += rows.empty() ? 0 : 1;
  }
  announce(over);
  over.clear();
  if (rows.empty()) return false;
  FinishReason fault = FinishReason::kNone;
  std::vector<std::vector<float>> vectors = compute(rows, fault);
  {
    const std::lock_guard lock(mutex_);
    if (fault == FinishReason::kNone) {
      keep(rows, std::move(vectors), over);
    } else {
      for (const Row& row : rows) end(row.job, fault, over);
    }
    std::erase_if(jobs_, [](const std::shared_ptr<EmbeddingJob>& job) {
      return job->reason_ != FinishReason::kNone;
    });
    stats_.running = 0;
  }
  announce(over);
  return true;
}

void EmbeddingQueue::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) break;
    }
    step();
  }
  Jobs over;
  {
    const std::lock_guard lock(mutex_);
    const auto jobs = std::move(jobs_);
    jobs_.clear();
    for (const auto& job : jobs) end(job, FinishReason::kCancelled, over);
  }
  announce(over);
}

void EmbeddingQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
}

LoopStats EmbeddingQueue::stats() const {
  const std::lock_guard lock(mutex_);
  LoopStats out = stats_;
  out.queued_requests = gauge_.requests();
  out.queued_tokens = gauge_.tokens();
  for (const auto& job : jobs_) {
    out.waiting += static_cast<int64_t>(job->sequences_.size() - job->begun_);
  }
  return out;
}

}  // namespace ingot
