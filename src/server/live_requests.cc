#include "server/live_requests.h"

namespace ingot {

std::vector<LiveRequests::Seen> LiveRequests::oldest(size_t most, size_t& count) const {
  std::vector<Seen> out;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  count = list_.size();
  for (const LiveRequest* one : list_) {
    if (out.size() == most) break;
    out.push_back({one->id_, one->endpoint_, now - one->begin_,
                   one->choices_.load(std::memory_order_relaxed), one->prompt_tokens(),
                   one->output_tokens(), one->compiling_.load(std::memory_order_relaxed)});
  }
  return out;
}

LiveRequest::LiveRequest(LiveRequests& all, std::string id, std::string endpoint)
    : all_(all), id_(std::move(id)), endpoint_(std::move(endpoint)) {
  const std::lock_guard lock(all_.mutex_);
  place_ = all_.list_.insert(all_.list_.end(), this);
}

LiveRequest::~LiveRequest() {
  const std::lock_guard lock(all_.mutex_);
  all_.list_.erase(place_);
}

void LiveRequest::restart() {
  compiling_.store(false, std::memory_order_relaxed);
  for (std::atomic<int64_t>* one : {&choices_, &prompt_tokens_, &output_tokens_}) {
    one->store(0, std::memory_order_relaxed);
  }
}

// One thread writes: a load and a store are cheaper than an addition that others could join.
void LiveRequest::add_prompt(int64_t tokens, int64_t choices) {
  prompt_tokens_.store(prompt_tokens() + tokens, std::memory_order_relaxed);
  choices_.store(choices_.load(std::memory_order_relaxed) + choices, std::memory_order_relaxed);
}

void LiveRequest::add_output(int64_t tokens) {
  output_tokens_.store(output_tokens() + tokens, std::memory_order_relaxed);
}

}  // namespace ingot
