#include "text/work_budget.h"

#include <string_view>

#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/grammar";
constexpr uint64_t kStepsAClock = 4096;  // some 0.1 ms of work

thread_local WorkBudget* innermost = nullptr;

}  // namespace

WorkBudget::WorkBudget(uint64_t steps, Time deadline)
    : outer_(innermost), steps_(steps), deadline_(deadline) {
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
    if (budget->deadline_ == WorkBudget::Time::max()) continue;
    if (steps < budget->until_clock_) {
      budget->until_clock_ -= steps;
      continue;
    }
    budget->until_clock_ = kStepsAClock;
    if (std::chrono::steady_clock::now() > budget->deadline_) {
      budget->until_clock_ = 0;
      fail(ErrorCode::kUnsupported, kWhere, "the grammar takes too long: its time is over");
    }
  }
}

}  // namespace ingot
