// What a step loop is doing, for any thread to look at.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ingot {

// As it was after one step.
struct LoopStats {
  // Now.
  int64_t queued_requests = 0;  // not started, on their way to the loop included
  int64_t queued_tokens = 0;    // of their prompts
  int64_t running = 0;          // sequences with pages
  int64_t waiting = 0;          // sequences without: queued or preempted
  int64_t paused = 0;           // others without, whose readers are behind
  struct Pages {
    std::string group;
    int64_t total = 0;
    int64_t used = 0;    // by running sequences
    int64_t cached = 0;  // of prefixes, given to whoever needs them
    int64_t free = 0;
    bool operator==(const Pages&) const = default;
  };
  std::vector<Pages> pages;
  // Since the loop was made.
  int64_t steps = 0;
  int64_t requests_finished = 0;  // for whatever reason, those refused not included
  int64_t requests_refused = 0;   // too long, or faulty
  int64_t requests_overloaded = 0;
  int64_t requests_cancelled = 0;
  int64_t requests_timed_out = 0;
  int64_t prompt_tokens = 0;  // of requests that have started
  int64_t output_tokens = 0;
  int64_t prefix_hits = 0;  // sequences that started from cached pages
  int64_t prefix_hit_tokens = 0;
  int64_t preemptions = 0;
  int64_t pauses = 0;  // of requests
  // Steps by the tokens that they computed: up to kStepTokens[i] (more than the one before); the
  // last: more than all of these.
  static constexpr std::array<int64_t, 13> kStepTokens = {1,   8,    16,   32,   64,   128,  256,
                                                          512, 1024, 2048, 4096, 8192, 16384};
  std::array<int64_t, kStepTokens.size() + 1> steps_of_tokens{};
  int64_t step_tokens = 0;  // of all steps
  void count_step(int64_t tokens);
  bool operator==(const LoopStats&) const = default;
};

// One thread publishes, any thread reads; neither waits for the other. What is read was published
// at one time.
class StatsBoard {
 public:
  // The groups of `first` are those of all that follow.
  explicit StatsBoard(const LoopStats& first);
  void publish(const LoopStats& stats);
  LoopStats read() const;

 private:
  std::vector<std::string> groups_;
  size_t count_ = 0;
  std::unique_ptr<std::atomic<int64_t>[]> words_;
  std::atomic<uint64_t> version_{0};  // odd while words_ change
};

}  // namespace ingot
