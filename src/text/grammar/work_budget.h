// How much may be done for a stranger's grammar: steps that are the same on every machine, a
// deadline, and time on a core, which a crowded machine does not make longer. Internal to text/.
#pragma once

#include <chrono>
#include <cstdint>

namespace ingot {

// Bounds what its thread does while it lives; budgets nest, and a step counts for all of them.
// To be made and destroyed on one thread, the last first.
class WorkBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Span = std::chrono::nanoseconds;
  // `busy`: most time that the thread may run on a core from here on.
  explicit WorkBudget(uint64_t steps, Time deadline = Time::max(), Span busy = Span::max());
  ~WorkBudget();
  WorkBudget(const WorkBudget&) = delete;
  WorkBudget& operator=(const WorkBudget&) = delete;
  uint64_t spent() const { return spent_; }

 private:
  friend void spend_work(uint64_t steps);
  WorkBudget* const outer_;
  const uint64_t steps_;
  const Time deadline_;
  const Span busy_, busy_before_;
  uint64_t spent_ = 0;
  uint64_t until_clock_ = 0;  // steps until the clocks are looked at
};

// Error{kUnsupported} when a budget of this thread has no steps left, or its time is over. Does
// nothing where there is no budget.
void spend_work(uint64_t steps);

}  // namespace ingot
