#include "text/grammar/work_budget.h"

#include <ctime>
#include <string_view>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr uint64_t kStepsAClock = 4096;  // some 0.1 ms of work

thread_local WorkBudget* innermost = nullptr;

// That this thread has run on a core.
std::chrono::nanoseconds thread_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

WorkBudget::WorkBudget(uint64_t steps, Time deadline, Span busy)
    : outer_(innermost),
      steps_(steps),
      deadline_(deadline),
      busy_(busy),
      busy_before_(busy == Span::max() ? Span(0) : thread_time()) {
  innermost = this;
}

WorkBudget::~WorkBudget() { innermost = outer_; }

void spend_work(uint64_t steps) {
  for (WorkBudget* budget = innermost; budget != nullptr; budget = budget->outer_) {
    if (steps > budget->steps_ - budget->spent_) {
      budget->spent_ = budget->steps_;
      fail(ErrorCode::kUnsupported, kWhere,
           "the grammar needs too much work: more than {} steps; a simpler one is needed",
           budget->steps_);
    }
    budget->spent_ += steps;
    const bool busy_counts = budget->busy_ != WorkBudget::Span::max();
    if (budget->deadline_ == WorkBudget::Time::max() && !busy_counts) continue;
    if (steps < budget->until_clock_) {
      budget->until_clock_ -= steps;
      continue;
    }
    budget->until_clock_ = kStepsAClock;
    const bool late = std::chrono::steady_clock::now() > budget->deadline_;
    if (late || (busy_counts && thread_time() - budget->busy_before_ > budget->busy_)) {
      budget->until_clock_ = 0;
      fail(ErrorCode::kUnsupported, kWhere, "the grammar takes too long: its time is over");
    }
  }
}

}  // namespace ingot
