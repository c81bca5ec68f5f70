// The requests that the server is answering, for any thread to look at.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <vector>

namespace ingot {

class LiveRequest;

class LiveRequests {
 public:
  struct Seen {
    std::string id, endpoint;
    std::chrono::steady_clock::duration age;
    int64_t choices = 0, prompt_tokens = 0, output_tokens = 0;
    bool compiling = false;  // waits for the grammar of its answers' form
  };
  // The oldest `most` of them, and how many there are.
  std::vector<Seen> oldest(size_t most, size_t& count) const;

 private:
  friend class LiveRequest;
  mutable std::mutex mutex_;
  std::list<const LiveRequest*> list_;  // by age
};

// One of them while it exists. Its owner's thread counts: no lock, so that tokens never wait.
class LiveRequest {
 public:
  LiveRequest(LiveRequests& all, std::string id, std::string endpoint);
  ~LiveRequest();
  LiveRequest(const LiveRequest&) = delete;
  LiveRequest& operator=(const LiveRequest&) = delete;

  // Until restart().
  void set_compiling() { compiling_.store(true, std::memory_order_relaxed); }
  // As when it began, but for its age.
  void restart();
  std::chrono::steady_clock::time_point begin() const { return begin_; }

  void add_prompt(int64_t tokens, int64_t choices);
  void add_output(int64_t tokens);
  int64_t prompt_tokens() const { return prompt_tokens_.load(std::memory_order_relaxed); }
  int64_t output_tokens() const { return output_tokens_.load(std::memory_order_relaxed); }

 private:
  friend class LiveRequests;
  LiveRequests& all_;
  const std::string id_, endpoint_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::atomic<int64_t> choices_{0}, prompt_tokens_{0}, output_tokens_{0};
  std::atomic<bool> compiling_{false};
  std::list<const LiveRequest*>::iterator place_;
};

}  // namespace ingot
