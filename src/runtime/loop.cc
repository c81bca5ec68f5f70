#include "runtime/loop.h"

#include <new>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"

namespace ingot {

Loop::Loop(ModelRunner& runner, LoopOptions options, const Clock& clock)
    : runner_(runner), options_(options), scheduler_(runner.limits(), options.scheduler, clock) {
  options_.overlap = options_.overlap && runner.asynchronous();
}

Loop::~Loop() { end(); }

std::shared_ptr<Outbox> Loop::submit(Request request, std::function<void()> on_ready) {
  request.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  auto outbox = std::make_shared<Outbox>(std::make_shared<const Request>(std::move(request)),
                                         inbox_, std::move(on_ready));
  auto arrival = std::make_unique<Arrival>();
  arrival->writer = OutboxWriter(outbox);
  const auto refused = inbox_->put(std::move(arrival));
  if (refused) refused->writer.refuse(FinishReason::kCancelled);
  return outbox;
}

void Loop::drain() {
  if (arrivals_.empty()) arrivals_ = inbox_->take();
  while (const auto arrival = arrivals_.pop()) {
    if (!arrival->writer) {
      scheduler_.cancel(arrival->cancel_id);
      continue;
    }
    const auto request = arrival->writer.request();
    live_.emplace(request->id, std::move(arrival->writer));
    scheduler_.add(request);
  }
}

bool Loop::step() {
  drain();
  const Batch* batch = scheduler_.next();
  if (batch != nullptr && !submit_step(*batch)) batch = nullptr;
  const size_t keep = options_.overlap && batch != nullptr ? 1 : 0;
  const bool worked = batch != nullptr || scheduler_.steps_in_flight() > 0;
  while (scheduler_.steps_in_flight() > keep) commit_oldest();
  push();
  return worked || !scheduler_.idle();
}

namespace {

FinishReason reason_of(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  const bool memory = known ? known->code() == ErrorCode::kOutOfMemory
                            : dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  return memory ? FinishReason::kOutOfMemory : FinishReason::kInternal;
}

}  // namespace

bool Loop::submit_step(const Batch& batch) {
  const int64_t step = batch.step;
  try {
    runner_.submit(batch);
    return true;
  } catch (const std::exception& error) {  // libraries throw others than Error
    spdlog::error("step {} was not submitted: {}", step, error.what());
    scheduler_.fail_step(step, reason_of(error));
    return false;
  }
}

void Loop::commit_oldest() {
  const int64_t step = scheduler_.oldest_step();
  try {
    runner_.collect(result_);
  } catch (const std::exception& error) {
    spdlog::error("step {} failed: {}", step, error.what());
    return scheduler_.fail_step(step, reason_of(error));
  }
  scheduler_.commit(result_);
}

void Loop::push() {
  for (TokenEvent& event : scheduler_.events()) {
    auto it = live_.find(event.request_id);
    CHECK(it != live_.end());
    it->second.push(std::move(event));
    if (!it->second) live_.erase(it);
  }
  scheduler_.events().clear();
}

void Loop::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    const uint32_t seen = inbox_->count();
    if (!step() && !stopping_.load(std::memory_order_acquire)) inbox_->wait(seen);
  }
  end();
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  inbox_->wake();
}

// Nothing is taken in any more, and no reader waits for ever. The runner has let go of every batch
// when this returns.
void Loop::end() {
  drain();
  arrivals_ = inbox_->close();
  drain();
  for (const auto& [id, writer] : live_) scheduler_.cancel(id);
  while (scheduler_.steps_in_flight() > 0) commit_oldest();
  push();
}

void Loop::generate(Request request, const std::function<bool(const TokenEvent&)>& on_event) {
  const std::shared_ptr<Outbox> outbox = submit(std::move(request));
  bool done = false;
  while (!done) {
    step();
    while (const TokenEvent* event = outbox->poll()) {
      done = event->request_done;
      try {
        if (!on_event(*event)) outbox->cancel();
      } catch (...) {
        outbox->cancel();  // or it would go on behind the next request
        throw;
      }
    }
  }
}

}  // namespace ingot
