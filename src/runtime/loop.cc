#include "runtime/loop.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"

namespace ingot {

Outbox::Outbox(std::shared_ptr<const Request> request, size_t max_events)
    : request_(std::move(request)), events_(max_events) {}

const TokenEvent* Outbox::poll() {
  if (read_ == written_.load(std::memory_order_acquire)) return nullptr;
  return &events_[read_++];
}

const TokenEvent* Outbox::wait() {
  if (read_ > 0 && events_[read_ - 1].request_done) return nullptr;
  while (true) {
    if (const TokenEvent* event = poll()) return event;
    written_.wait(read_, std::memory_order_acquire);
  }
}

void Outbox::push(TokenEvent&& event) {
  const uint32_t index = written_.load(std::memory_order_relaxed);
  CHECK_LT(index, events_.size());
  events_[index] = std::move(event);
  written_.store(index + 1, std::memory_order_release);
  written_.notify_one();
}

Loop::Loop(ModelRunner& runner, LoopOptions options, const Clock& clock)
    : runner_(runner), options_(options), scheduler_(runner.limits(), options.scheduler, clock) {
  options_.overlap = options_.overlap && runner.asynchronous();
}

// Nobody steps any more: what is left ends here, so that no reader waits for ever.
Loop::~Loop() {
  drain();
  for (const auto& [id, outbox] : live_) scheduler_.cancel(id);
  push();
}

std::shared_ptr<Outbox> Loop::submit(Request request) {
  request.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  auto shared = std::make_shared<const Request>(std::move(request));
  // Each event carries a token or is a choice's last: no more than this can come.
  const SamplingParams& p = shared->sampling;
  const int64_t room =
      std::max<int64_t>(0, std::min(limits().max_seq_len, scheduler_.kv().capacity_tokens()) -
                               static_cast<int64_t>(shared->prompt.size()));
  // The scheduler refuses these at once, with one event a choice.
  const bool refused = std::max({1, p.n, p.beam_width}) > limits().max_batch_rows;
  const int64_t most = refused ? 1 : std::clamp<int64_t>(p.max_tokens, 0, room) + 1;
  const int64_t choices = std::max<int64_t>(1, p.n);
  auto outbox = std::make_shared<Outbox>(shared, static_cast<size_t>(most * choices));
  // The inbox owns what it links; take_inbox() gives ownership back.
  Node* node = std::make_unique<Node>(outbox, inbox_.load(std::memory_order_relaxed)).release();
  while (!inbox_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  arrivals_.fetch_add(1, std::memory_order_release);
  arrivals_.notify_one();
  return outbox;
}

// Everything that arrived, in order of arrival.
std::unique_ptr<Loop::Node> Loop::take_inbox() {
  Node* newest = inbox_.exchange(nullptr, std::memory_order_acquire);
  Node* oldest = nullptr;
  while (newest != nullptr) {
    Node* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  return std::unique_ptr<Node>(oldest);
}

void Loop::drain() {
  for (auto node = take_inbox(); node != nullptr; node.reset(node->next)) {
    live_.emplace(node->outbox->request().id, node->outbox);
    scheduler_.add(node->outbox->request_);
  }
  for (const auto& [id, outbox] : live_) {
    if (outbox->cancelled_.load(std::memory_order_relaxed)) scheduler_.cancel(id);
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
    const bool done = event.request_done;
    it->second->push(std::move(event));
    if (done) live_.erase(it);
  }
  scheduler_.events().clear();
}

void Loop::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    const uint32_t seen = arrivals_.load(std::memory_order_acquire);
    if (!step() && !stopping_.load(std::memory_order_acquire)) {
      arrivals_.wait(seen, std::memory_order_acquire);
    }
  }
  drain();
  for (const auto& [id, outbox] : live_) scheduler_.cancel(id);
  while (scheduler_.steps_in_flight() > 0) commit_oldest();
  push();
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  arrivals_.fetch_add(1, std::memory_order_release);
  arrivals_.notify_one();
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
