#include "runtime/loop_stats.h"

#include <algorithm>
#include <thread>

#include "base/check.h"

namespace ingot {
namespace {

// Calls f with every number of the statistics, always in the same order.
template <class Stats, class F>
void each_number(Stats& s, F&& f) {
  for (auto* number :
       {&s.queued_requests, &s.queued_tokens, &s.running, &s.waiting, &s.paused, &s.steps,
        &s.requests_finished, &s.requests_refused, &s.requests_overloaded, &s.requests_cancelled,
        &s.requests_timed_out, &s.prompt_tokens, &s.output_tokens, &s.prefix_hits,
        &s.prefix_hit_tokens, &s.preemptions, &s.pauses, &s.step_tokens}) {
    f(*number);
  }
  for (auto& steps : s.steps_of_tokens) f(steps);
  for (auto& pages : s.pages) {
    for (auto* number : {&pages.total, &pages.used, &pages.cached, &pages.free}) f(*number);
  }
}

}  // namespace

void LoopStats::count_step(int64_t tokens) {
  const auto at = std::ranges::lower_bound(kStepTokens, tokens);
  ++steps_of_tokens.at(static_cast<size_t>(at - kStepTokens.begin()));
  step_tokens += tokens;
}

StatsBoard::StatsBoard(const LoopStats& first) {
  for (const LoopStats::Pages& pages : first.pages) groups_.push_back(pages.group);
  each_number(first, [&](int64_t) { ++count_; });
  words_ = std::make_unique<std::atomic<int64_t>[]>(count_);
  publish(first);
}

// A word that is read as this call wrote it (release, acquire) brings the odd version before it
// along, so that the reader's second look at the version differs from its first. An even version
// (release, acquire) brings all words of its call.
void StatsBoard::publish(const LoopStats& stats) {
  CHECK_EQ(stats.pages.size(), groups_.size());
  const uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  size_t i = 0;
  each_number(stats, [&](int64_t number) { words_[i++].store(number, std::memory_order_release); });
  version_.store(version + 2, std::memory_order_release);
}

LoopStats StatsBoard::read() const {
  LoopStats out;
  for (const std::string& group : groups_) out.pages.emplace_back().group = group;
  while (true) {
    const uint64_t version = version_.load(std::memory_order_acquire);
    size_t i = 0;
    each_number(out,
                [&](int64_t& number) { number = words_[i++].load(std::memory_order_acquire); });
    if (version % 2 == 0 && version_.load(std::memory_order_relaxed) == version) return out;
    std::this_thread::yield();
  }
}

}  // namespace ingot
