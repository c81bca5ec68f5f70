#include "runtime/outbox.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/inbox.h"

namespace ingot {
namespace {

// Of memory, about: what the allocator puts around a block is counted.
int64_t bytes_of(const TokenEvent& event) {
  constexpr size_t kAround = 16;
  size_t out = sizeof(TokenEvent);
  if (!event.logprobs.empty()) out += kAround;
  for (const TokenLogprobs& one : event.logprobs) {
    out += sizeof(one) + kAround + one.top.size() * sizeof(one.top[0]);
  }
  return static_cast<int64_t>(out);
}

}  // namespace

Outbox::Outbox(std::shared_ptr<const Request> request, std::shared_ptr<Inbox> inbox,
               std::function<void()> on_ready)
    : request_(std::move(request)),
      inbox_(std::move(inbox)),
      on_ready_(std::move(on_ready)),
      ended_(static_cast<size_t>(choice_count(request_->sampling)), false) {
  if (inbox_ == nullptr) return;
  cancel_ = std::make_unique<Arrival>();
  cancel_->cancel_id = request_->id;
}

Outbox::~Outbox() {
  Segment* segment = reading_ != nullptr ? reading_ : first_;
  while (segment != nullptr) delete std::exchange(segment, segment->next);
}

void Outbox::cancel() noexcept {
  if (inbox_ == nullptr || cancelled_.exchange(true, std::memory_order_relaxed)) return;
  inbox_->put(std::move(cancel_));  // refused: the loop has ended, and so has the request
}

// Engine thread.
void Outbox::write(TokenEvent&& event) {
  const uint64_t index = written_.load(std::memory_order_relaxed);
  const size_t place = index % kSegment;
  if (place == 0) {
    auto* fresh = new Segment;
    (last_ != nullptr ? last_->next : first_) = fresh;
    last_ = fresh;
  }
  last_->events[place] = std::move(event);
  const int64_t bytes = bytes_of(last_->events[place]);
  written_bytes_.store(written_bytes_.load(std::memory_order_relaxed) + bytes,
                       std::memory_order_relaxed);
  largest_ = std::max(largest_, bytes);
  // Release, for the reader; in one order with sleeping_, see signal(), and with most_unread_.
  written_.store(index + 1, std::memory_order_seq_cst);
  if (most_unread_.load(std::memory_order_seq_cst) != kAnyNumber) count_unread();
}

// Either the writer sees the bound, or we see its event.
void Outbox::pause_beyond(int64_t bytes) {
  most_unread_.store(bytes, std::memory_order_seq_cst);
  if (bytes == kAnyNumber || written_.load(std::memory_order_seq_cst) == read_) return;
  count_unread();
}

void Outbox::count_unread() noexcept {
  const int64_t unread =
      written_bytes_.load(std::memory_order_relaxed) - read_bytes_.load(std::memory_order_relaxed);
  int64_t peak = peak_unread();
  while (unread > peak &&
         !peak_unread_.compare_exchange_weak(peak, unread, std::memory_order_relaxed)) {
  }
}

// What may wait without a pause: two steps may be in flight, each with an event of every choice.
// At least half, so that many choices do not pause at each event.
int64_t Outbox::most_waiting() const {
  const int64_t most = most_unread_.load(std::memory_order_relaxed);
  if (most == kAnyNumber) return most;
  return std::max(most / 2, most - 2 * static_cast<int64_t>(ended_.size()) * largest_);
}

// Engine thread.
bool Outbox::is_ahead() noexcept {
  const int64_t most = most_waiting();
  if (most == kAnyNumber) return false;
  const int64_t unread =
      written_bytes_.load(std::memory_order_relaxed) - read_bytes_.load(std::memory_order_relaxed);
  if (unread <= most) return false;
  low_ = most / 4;
  return true;
}

// Engine thread. We write wake_at_ and then look at read_bytes_; the reader writes read_bytes_ and
// then looks at wake_at_. In the single order of these four at least one of us sees the other.
bool Outbox::caught_up() noexcept {
  const int64_t enough = written_bytes_.load(std::memory_order_relaxed) - low_;
  wake_at_.store(enough, std::memory_order_seq_cst);
  if (read_bytes_.load(std::memory_order_seq_cst) < enough) return false;
  wake_at_.store(kAnyNumber, std::memory_order_relaxed);
  return true;
}

// The reader sets sleeping_ and then looks whether something is there; we write and then look at
// sleeping_. In the single order of these four at least one of us sees the other. Taking the mutex
// waits until a reader that found nothing sleeps.
void Outbox::signal() noexcept {
  if (sleeping_.load(std::memory_order_seq_cst)) {
    { const std::lock_guard lock(mutex_); }
    condition_.notify_one();
  }
  if (!on_ready_) return;
  try {
    on_ready_();
  } catch (const std::exception& error) {
    spdlog::error("request {}: its on_ready threw: {}", request_->id, error.what());
  } catch (...) {
    spdlog::error("request {}: its on_ready threw", request_->id);
  }
}

bool Outbox::ready() const {
  return written_.load(std::memory_order_seq_cst) != read_ ||
         closed_.load(std::memory_order_seq_cst) != FinishReason::kNone;
}

void Outbox::sleep(const std::chrono::steady_clock::time_point* until) {
  std::unique_lock lock(mutex_);
  sleeping_.store(true, std::memory_order_seq_cst);
  while (!ready()) {
    if (until == nullptr) {
      condition_.wait(lock);
    } else if (condition_.wait_until(lock, *until) == std::cv_status::timeout) {
      break;
    }
  }
  sleeping_.store(false, std::memory_order_relaxed);
}

const TokenEvent* Outbox::poll() {
  if (done_) return nullptr;
  // closed_ first: nothing is written after it.
  const FinishReason closed = closed_.load(std::memory_order_acquire);
  if (read_ != written_.load(std::memory_order_acquire)) return read();
  return closed == FinishReason::kNone ? nullptr : finish(closed);
}

const TokenEvent* Outbox::wait() {
  const TokenEvent* event = poll();
  while (event == nullptr && !done_) {
    sleep(nullptr);
    event = poll();
  }
  return event;
}

const TokenEvent* Outbox::wait_for(std::chrono::nanoseconds timeout) {
  const TokenEvent* event = poll();
  if (event != nullptr || done_) return event;
  const auto until = std::chrono::steady_clock::now() +
                     std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24 * 365));
  sleep(&until);
  return poll();
}

const TokenEvent* Outbox::read() {
  const size_t place = read_ % kSegment;
  if (reading_ == nullptr) {
    reading_ = first_;
  } else if (place == 0) {
    delete std::exchange(reading_, reading_->next);
  }
  ++read_;
  const TokenEvent& event = reading_->events[place];
  const int64_t read = read_bytes_.load(std::memory_order_relaxed) + bytes_of(event);
  read_bytes_.store(read, std::memory_order_seq_cst);
  if (read >= wake_at_.load(std::memory_order_seq_cst) && inbox_ != nullptr) inbox_->wake();
  if (event.finish != FinishReason::kNone) ended_.at(static_cast<size_t>(event.choice)) = true;
  finish_.cached_tokens = event.cached_tokens;
  done_ = event.request_done;
  return &event;
}

// The next choice without an end.
const TokenEvent* Outbox::finish(FinishReason reason) {
  const auto open = std::find(ended_.begin(), ended_.end(), false);
  finish_.request_id = request_->id;
  finish_.finish = reason;
  if (open != ended_.end()) {
    finish_.choice = static_cast<int32_t>(open - ended_.begin());
    *open = true;
  }
  done_ = finish_.request_done = std::find(ended_.begin(), ended_.end(), false) == ended_.end();
  return &finish_;
}

OutboxWriter& OutboxWriter::operator=(OutboxWriter&& other) noexcept {
  if (this != &other) {
    close(FinishReason::kInternal);
    outbox_ = std::move(other.outbox_);
  }
  return *this;
}

void OutboxWriter::push(TokenEvent&& event) {
  const bool last = event.request_done;
  outbox_->write(std::move(event));
  outbox_->signal();
  if (last) outbox_.reset();
}

void OutboxWriter::refuse(FinishReason reason) noexcept {
  outbox_->closed_.store(reason, std::memory_order_release);
  outbox_.reset();
}

void OutboxWriter::close(FinishReason reason) noexcept {
  if (outbox_ == nullptr) return;
  outbox_->closed_.store(reason, std::memory_order_seq_cst);
  outbox_->signal();
  outbox_.reset();
}

}  // namespace ingot
