#include "runtime/queue_gauge.h"

#include <algorithm>

namespace ingot {
namespace {

int64_t read(const std::atomic<int64_t>& number) { return number.load(std::memory_order_relaxed); }

void add(QueueCount& count, int64_t requests, int64_t tokens) {
  count.tokens.fetch_add(tokens, std::memory_order_relaxed);
  // Last: without requests a tenant's count may be thrown away.
  count.requests.fetch_add(requests, std::memory_order_release);
}

}  // namespace

QueueTicket& QueueTicket::operator=(QueueTicket&& other) noexcept {
  if (this != &other) {
    give_back();
    gauge_ = std::exchange(other.gauge_, nullptr);
    own_ = other.own_;
    tokens_ = other.tokens_;
  }
  return *this;
}

void QueueTicket::give_back() noexcept {
  QueueGauge* gauge = std::exchange(gauge_, nullptr);
  if (gauge == nullptr) return;
  add(gauge->all_, -1, -tokens_);
  if (own_ != nullptr) add(*own_, -1, -tokens_);
}

bool QueueGauge::has_room(const QueueCount& own, int64_t tokens) const {
  const int64_t waiting = requests(), held = this->tokens();
  if (max_requests_ > 0 && waiting >= max_requests_) return false;
  if (max_tokens_ > 0 && waiting > 0 && tokens > max_tokens_ - held) {
    // The only one of its tenant may wait beside others even if it is longer than what is free.
    if (!shared_ || read(own.requests) > 0 || held > max_tokens_) return false;
  }
  if (!shared_ || read(own.requests) == 0) return true;
  const bool many = max_requests_ > 0 && read(own.requests) >= max_requests_ - waiting;
  const bool much = max_tokens_ > 0 && read(own.tokens) + tokens > max_tokens_ - held - tokens;
  return !many && !much;
}

// Counts of tenants that have nothing there.
void QueueGauge::sweep() {
  std::erase_if(tenants_, [](const auto& one) {
    return one.second->requests.load(std::memory_order_acquire) == 0;
  });
  sweep_at_ = std::max<size_t>(64, 2 * tenants_.size());
}

QueueTicket QueueGauge::enter(int64_t tokens, uint64_t tenant) {
  const std::lock_guard lock(entering_);
  QueueCount* own = nullptr;
  if (shared_) {
    if (tenants_.size() >= sweep_at_) sweep();
    auto& count = tenants_[tenant];
    if (!count) count = std::make_unique<QueueCount>();
    own = count.get();
  }
  if (!has_room(own != nullptr ? *own : all_, tokens)) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  add(all_, 1, tokens);
  if (own != nullptr) add(*own, 1, tokens);
  return {this, own, tokens};
}

}  // namespace ingot
