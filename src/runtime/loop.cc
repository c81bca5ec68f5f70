#include "runtime/loop.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace {

struct Fault {
  FinishReason reason;
  std::string what;
};

// Of the exception that is being handled: libraries throw others than Error.
Fault current_fault() {
  try {
    throw;
  } catch (const Error& error) {
    const bool memory = error.code() == ErrorCode::kOutOfMemory;
    return {memory ? FinishReason::kOutOfMemory : FinishReason::kInternal, error.what()};
  } catch (const std::bad_alloc& error) {
    return {FinishReason::kOutOfMemory, error.what()};
  } catch (const std::exception& error) {
    return {FinishReason::kInternal, error.what()};
  } catch (...) {
    return {FinishReason::kInternal, "an exception of an unknown type"};
  }
}

LoopStats empty_stats(const ModelLimits& limits) {
  LoopStats out;
  for (const KvGroup& group : limits.state_groups) {
    out.pages.push_back({group.name, group.num_pages, 0, 0, group.num_pages});
  }
  return out;
}

}  // namespace

Loop::Loop(ModelRunner& runner, LoopOptions options, const Clock& clock)
    : runner_(runner),
      options_(std::move(options)),
      limits_(runner.limits()),
      clock_(clock),
      scheduler_(std::make_unique<Scheduler>(limits_, options_.scheduler, clock)),
      stats_(empty_stats(limits_)),
      board_(stats_),
      queue_(options_.max_queued_requests, options_.max_queued_tokens, options_.share_queue) {
  options_.overlap = options_.overlap && runner.asynchronous();
  runner_.on_can_draw([inbox = inbox_] { inbox->wake(); });
}

Loop::~Loop() {
  end();
  runner_.on_can_draw(nullptr);
}

std::shared_ptr<Outbox> Loop::submit(Request request, std::function<void()> on_ready) {
  request.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  auto outbox = std::make_shared<Outbox>(std::make_shared<const Request>(std::move(request)),
                                         inbox_, std::move(on_ready));
  auto arrival = std::make_unique<Arrival>();
  arrival->writer = OutboxWriter(outbox);
  arrival->ticket =
      queue_.enter(static_cast<int64_t>(outbox->request().prompt.size()), outbox->request().tenant);
  if (!arrival->ticket) {
    arrival->writer.refuse(FinishReason::kOverloaded);
    return outbox;
  }
  const auto refused = inbox_->put(std::move(arrival));
  if (refused) refused->writer.refuse(FinishReason::kCancelled);
  return outbox;
}

void Loop::begin(std::string_view phase) {
  phase_ = phase;
  if (options_.on_phase) options_.on_phase(phase);
}

void Loop::drain() {
  if (arrivals_.empty()) arrivals_ = inbox_->take();
  while (const auto arrival = arrivals_.pop()) {
    if (!arrival->writer) {
      begin("cancelling a request");
      scheduler_->cancel(arrival->cancel_id);
      continue;
    }
    ++taken_;
    begin("taking a request");
    const auto request = arrival->writer.request();
    live_.emplace(request->id, Live{std::move(arrival->writer), std::move(arrival->ticket)});
    scheduler_->add(request);
  }
}

// Whose readers have caught up goes on.
void Loop::resume_read() {
  std::erase_if(paused_, [&](uint64_t id) {
    const auto it = live_.find(id);
    if (it == live_.end()) return true;
    if (!it->second.writer.caught_up()) return false;
    it->second.paused = false;
    paused_tokens_ -= std::exchange(it->second.paused_tokens, 0);
    scheduler_->resume(id);
    return true;
  });
}

// What it has is kept, without pages.
void Loop::pause(uint64_t id, Live& live) {
  if (live.writer.request()->sampling.beam_width > 1) return;  // its tokens come at its end
  const int64_t tokens = scheduler_->tokens(id);
  if (paused_tokens_ + tokens > options_.max_paused_tokens) {
    too_many_.push_back(id);
    return;
  }
  if (!scheduler_->pause(id)) return;
  live.paused = true;
  live.paused_tokens = tokens;
  paused_tokens_ += tokens;
  paused_.push_back(id);
}

bool Loop::run_step() {
  const uint32_t seen = inbox_->count();
  drain();
  begin("resuming requests");
  resume_read();
  begin("planning a step");
  for (const int32_t slot : scheduler_->slots_put_off()) {
    if (runner_.can_draw(slot)) scheduler_->take_up(slot);
  }
  const Batch* batch = scheduler_->next();
  const bool planned = batch != nullptr;
  for (const uint64_t id : scheduler_->started()) {
    const auto it = live_.find(id);
    if (it == live_.end()) continue;
    it->second.ticket.give_back();
    it->second.writer.start(clock_.now_ns());
  }
  scheduler_->started().clear();
  if (batch != nullptr && !submit_step(*batch)) batch = nullptr;
  const size_t keep = options_.overlap && batch != nullptr ? 1 : 0;
  const bool worked = batch != nullptr || scheduler_->steps_in_flight() > 0;
  while (scheduler_->steps_in_flight() > keep) commit_oldest();
  publish();  // before its readers know of the step
  push();
  // Where a step was planned and not submitted, what is left can be planned at once.
  if (!planned && !worked && scheduler_->waits_for_draws()) sleep(seen);
  // For what is paused its reader wakes us.
  return worked || scheduler_->has_work();
}

// Until something arrives or can go on, or a deadline is over. `seen`: of the inbox, before the
// pass looked at anything.
void Loop::sleep(uint32_t seen) {
  if (stopping_.load(std::memory_order_acquire)) return;
  const int64_t deadline = scheduler_->next_deadline_ns();
  if (deadline == kNoDeadline) return inbox_->wait(seen);
  constexpr int64_t kMost = 3'600'000'000'000;  // what is added to a clock must not overflow
  const int64_t left = std::min(deadline - clock_.now_ns(), kMost);
  inbox_->wait_for(seen, std::chrono::nanoseconds(left));
}

bool Loop::step() {
  if (inbox_->closed()) return false;
  const ChecksThrow scope;
  bool more = true;
  try {
    more = run_step();
  } catch (...) {
    recover(current_fault().what);
    more = !inbox_->closed();
    publish();
  }
  return more;
}

void Loop::publish() {
  const SchedulerStats& s = scheduler_->stats();
  const KvBlocks& kv = scheduler_->kv();
  stats_.running = static_cast<int64_t>(scheduler_->running());
  stats_.waiting = static_cast<int64_t>(scheduler_->waiting());
  stats_.paused = static_cast<int64_t>(scheduler_->paused());
  for (size_t g = 0; g < stats_.pages.size(); ++g) {
    LoopStats::Pages& pages = stats_.pages[g];
    pages.used = pages.total - kv.available(g);
    pages.cached = kv.cached(g);
    pages.free = kv.available(g) - pages.cached;
  }
  stats_.steps = s.steps;
  // Not the scheduler's number: a fault of ours ends requests behind its back.
  const int64_t ending = std::ranges::count(scheduler_->events(), true, &TokenEvent::request_done);
  const int64_t live = static_cast<int64_t>(live_.size()) - ending;
  stats_.requests_finished = taken_ - s.refused - live;
  stats_.requests_refused = s.refused;
  stats_.requests_cancelled = s.cancels;
  stats_.requests_timed_out = s.timeouts;
  stats_.prompt_tokens = s.prompt_tokens;
  stats_.output_tokens = s.output_tokens;
  stats_.prefix_hits = s.prefix_hits;
  stats_.prefix_hit_tokens = s.prefix_hit_tokens;
  stats_.preemptions = s.preemptions;
  stats_.put_off = s.put_off;
  stats_.pauses = s.pauses;
  board_.publish(stats_);
}

LoopStats Loop::stats() const {
  LoopStats out = board_.read();
  out.queued_requests = queue_.requests();
  out.queued_tokens = queue_.tokens();
  out.requests_overloaded = queue_.refused();
  return out;
}

// The scheduler may have been left in the middle of a change.
void Loop::recover(std::string_view what) {
  spdlog::error("step loop, {}: {}; the {} live requests end", phase_, what, live_.size());
  end_live(FinishReason::kInternal);
  drop_steps();  // their batches are the old scheduler's
  try {
    begin("making a new scheduler");
    auto fresh = std::make_unique<Scheduler>(limits_, options_.scheduler, clock_);
    fresh->succeed(*scheduler_);
    scheduler_ = std::move(fresh);
  } catch (...) {
    spdlog::error("step loop: no new scheduler ({}): the loop ends", current_fault().what);
    arrivals_ = Arrivals();
    inbox_->close();
  }
}

void Loop::end_live(FinishReason reason) {
  for (auto& [id, live] : live_) live.writer.close(reason);
  live_.clear();
  paused_.clear();
  paused_tokens_ = 0;
  too_many_.clear();
}

void Loop::drop_steps() {
  for (; steps_held_ > 0; --steps_held_) {
    try {
      runner_.collect(result_);
    } catch (...) {  // its requests have ended already
    }
  }
}

bool Loop::submit_step(const Batch& batch) {
  const int64_t step = batch.step;
  try {
    runner_.submit(batch);
    ++steps_held_;
    stats_.count_step(static_cast<int64_t>(batch.token_ids.size()));
  } catch (...) {
    const Fault fault = current_fault();
    spdlog::error("step {} was not submitted: {}", step, fault.what);
    begin("ending a step's requests");
    scheduler_->fail_step(step, fault.reason);
    return false;
  }
  scheduler_->put_off(runner_.put_off());
  return true;
}

void Loop::commit_oldest() {
  const int64_t step = scheduler_->oldest_step();
  --steps_held_;
  try {
    runner_.collect(result_);
  } catch (...) {
    const Fault fault = current_fault();
    spdlog::error("step {} failed: {}", step, fault.what);
    begin("ending a step's requests");
    return scheduler_->fail_step(step, fault.reason);
  }
  if (!scheduler_->matches(result_)) {
    spdlog::error("step {} failed: the model gave {} rows of step {}", step, result_.rows.size(),
                  result_.step);
    begin("ending a step's requests");
    return scheduler_->fail_step(step, FinishReason::kInternal);
  }
  begin("committing a step");
  scheduler_->commit(result_);
}

void Loop::push() {
  for (TokenEvent& event : scheduler_->events()) {
    begin("handing out an event");
    auto it = live_.find(event.request_id);
    CHECK(it != live_.end());
    Live& live = it->second;
    live.writer.push(std::move(event));
    if (!live.writer) {
      paused_tokens_ -= live.paused_tokens;
      live_.erase(it);
    } else if (!live.paused && live.writer.is_ahead()) {
      pause(it->first, live);
    }
  }
  scheduler_->events().clear();
  if (too_many_.empty()) return;
  for (const uint64_t id : too_many_) scheduler_->finish_request(id, FinishReason::kOverloaded);
  too_many_.clear();
  publish();
  push();  // their ends alone
}

void Loop::run() {
  while (!stopping_.load(std::memory_order_acquire) && !inbox_->closed()) {
    const uint32_t seen = inbox_->count();
    const bool more = step();
    if (!more && !inbox_->closed()) sleep(seen);  // those that are paused have deadlines too
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
  const ChecksThrow scope;
  const auto refuse = [](Arrivals rest) {
    while (const auto arrival = rest.pop()) arrival->writer.close(FinishReason::kCancelled);
  };
  refuse(std::move(arrivals_));
  refuse(inbox_->close());
  try {
    for (const auto& [id, live] : live_) scheduler_->cancel(id);
    while (steps_held_ > 0) commit_oldest();
    push();
  } catch (...) {
    spdlog::error("step loop, {}, at its end: {}", phase_, current_fault().what);
  }
  end_live(FinishReason::kCancelled);
  drop_steps();
  publish();
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
