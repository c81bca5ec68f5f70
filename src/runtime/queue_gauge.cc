#include "runtime/queue_gauge.h"

namespace ingot {

QueueTicket& QueueTicket::operator=(QueueTicket&& other) noexcept {
  if (this != &other) {
    give_back();
    gauge_ = std::exchange(other.gauge_, nullptr);
    tokens_ = other.tokens_;
  }
  return *this;
}

void QueueTicket::give_back() noexcept {
  QueueGauge* gauge = std::exchange(gauge_, nullptr);
  if (gauge == nullptr) return;
  gauge->requests_.fetch_sub(1, std::memory_order_relaxed);
  gauge->tokens_.fetch_sub(tokens_, std::memory_order_relaxed);
}

QueueTicket QueueGauge::enter(int64_t tokens) {
  const std::lock_guard lock(entering_);
  const int64_t waiting = requests(), held = this->tokens();
  const bool many = max_requests_ > 0 && waiting >= max_requests_;
  const bool long_queue = max_tokens_ > 0 && waiting > 0 && tokens > max_tokens_ - held;
  if (many || long_queue) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  requests_.fetch_add(1, std::memory_order_relaxed);
  tokens_.fetch_add(tokens, std::memory_order_relaxed);
  return {this, tokens};
}

}  // namespace ingot
