// The sequences of one call among the embeddings that the model computes.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "server/call.h"
#include "server/live_requests.h"
#include "server/served_model.h"

namespace ingot {

// Belongs to the call's thread.
class EmbeddingCall {
 public:
  // Submits. ApiError (400) of a model that gives no embeddings.
  EmbeddingCall(Call& call, ServedModel& model, std::vector<std::vector<int32_t>> sequences);
  ~EmbeddingCall();  // cancels what has not ended
  EmbeddingCall(const EmbeddingCall&) = delete;
  EmbeddingCall& operator=(const EmbeddingCall&) = delete;

  // Waits for the end. False: the client is gone. ApiError where the job failed.
  Task<bool> finish();
  const EmbeddingJob& job() const { return *job_; }

 private:
  void count_end() const;
  void check() const;

  Call& call_;
  LiveRequest live_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::shared_ptr<EmbeddingJob> job_;
};

}  // namespace ingot
