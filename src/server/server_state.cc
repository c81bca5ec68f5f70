#include "server/server_state.h"

#include <algorithm>
#include <random>
#include <set>

#include "server/api_error.h"

namespace ingot {
namespace {

bool several(const std::vector<std::string>& keys) {
  return std::set<std::string>(keys.begin(), keys.end()).size() > 1;
}

Hash128 random_seed() {
  std::random_device device;
  const auto word = [&] { return (static_cast<uint64_t>(device()) << 32) | device(); };
  return {word(), word()};
}

}  // namespace

ServerState::ServerState(ServerOptions options)
    : options_(std::move(options)),
      keys_(options_.api_keys),
      workers_(static_cast<size_t>(options_.workers)),
      compile_queue_({.shared = several(options_.api_keys)}),
      metrics_(options_.vllm_metrics),
      id_seed_(random_seed()) {}

ServerState::~ServerState() { end_workers(); }

ServedModel& ServerState::require_model() const {
  if (draining()) throw unavailable("the server is shutting down", retry_after_s());
  ServedModel* model = loaded_model();
  if (model == nullptr) throw still_loading(retry_after_s());
  return *model;
}

void ServerState::end_workers() {
  compile_queue_.stop();
  if (!workers_) return;
  workers_->stop();
  workers_->join();
  workers_.reset();
}

int ServerState::retry_after_s() const {
  const ServedModel* model = loaded_model();
  if (model == nullptr || draining()) return 5;
  // A queue as long as what runs has waited about as long as a request takes.
  const LoopStats stats = model->stats();
  const int64_t rounds = stats.queued_requests / std::max<int64_t>(stats.running, 1);
  return static_cast<int>(std::clamp<int64_t>(rounds, 1, 60));
}

std::string ServerState::new_id(std::string_view prefix) {
  const uint64_t words[] = {id_seed_.low, id_seed_.high, ids_.fetch_add(1)};
  return std::string(prefix) + hash128(std::as_bytes(std::span(words))).hex();
}

}  // namespace ingot
