#include "runtime/step_clock.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ingot {
namespace {

// More than can be on their way: the oldest is done.
constexpr size_t kMostUnread = 4;

}  // namespace

StepClock::StepClock(Device& device, Stream& stream)
    : device_(device), stream_(stream), side_(device.make_stream()) {
  next_ = fresh();
}

StepClock::Marks StepClock::fresh() {
  if (!spare_.empty()) {
    Marks out = std::move(spare_.back());
    spare_.pop_back();
    return out;
  }
  Marks out;
  out.span = device_.make_timer();
  for (auto& timer : out.waits) timer = device_.make_timer();
  return out;
}

void StepClock::begin() {
  piece_ = 0;
  if (running_) return;
  next_.first = true;
  next_.span->start(stream_);
  next_.waits[0]->start(stream_);
  running_ = true;
}

void StepClock::queued() {
  CHECK_LT(piece_, kPieces);
  next_.waits[piece_++]->stop(*side_);
  if (piece_ < kPieces) next_.waits[piece_]->start(stream_);
}

void StepClock::end() {
  CHECK_EQ(piece_, kPieces);
  next_.span->stop(stream_);
  ended_.push_back(std::move(next_));
  next_ = fresh();
  next_.first = false;
  next_.span->start(stream_);
  next_.waits[0]->start(stream_);
  while (ended_.size() > kMostUnread) read_oldest();
}

void StepClock::read_oldest() {
  Marks marks = std::move(ended_.front());
  ended_.pop_front();
  const double span = marks.span->microseconds();
  double waited = 0;
  for (auto& timer : marks.waits) waited += std::max(0.0, timer->microseconds());
  times_.push_back({span, std::min(waited, span), marks.first});
  spare_.push_back(std::move(marks));
}

void StepClock::restart() {
  while (!ended_.empty()) {
    spare_.push_back(std::move(ended_.front()));
    ended_.pop_front();
  }
  running_ = false;
  times_.clear();
}

std::vector<StepTime> StepClock::take() {
  while (!ended_.empty()) read_oldest();
  return std::exchange(times_, {});
}

}  // namespace ingot
