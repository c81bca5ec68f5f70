// A server on a free port whose model gives embeddings: the vector of a sequence is its length, its
// first id, its last id and their sum, of length 1. Of the oracle's vocabulary.
#pragma once

#include "tests/server/oracle_server.h"

namespace ingot {

class LengthModel final : public EmbeddingModel {
 public:
  const EmbeddingLimits& limits() const override { return limits_; }
  std::vector<std::vector<float>> embed(
      std::span<const std::span<const int32_t>> sequences) override {
    std::vector<std::vector<float>> out;
    for (const auto ids : sequences) {
      const float sum = static_cast<float>(ids.front()) + static_cast<float>(ids.back());
      out.push_back({static_cast<float>(ids.size()), static_cast<float>(ids.front()),
                     static_cast<float>(ids.back()), sum});
      if (ids.front() == kNan) out.back()[0] = NAN;
      normalize(out.back());
    }
    held.wait(true);
    return out;
  }

  static constexpr int32_t kNan = 256;
  std::atomic<bool> held{false};  // steps wait while it is set

 private:
  EmbeddingLimits limits_ = {
      .vocab_size = 258, .columns = 4, .max_tokens = 16, .step_tokens = 32, .rows = 4};
};

// The machine's clock, and what a test lets pass beside it.
class ShiftedClock final : public Clock {
 public:
  int64_t now_ns() const override { return steady_.now_ns() + shift_.load(); }
  void advance(std::chrono::nanoseconds time) { shift_ += time.count(); }

 private:
  SteadyClock steady_;
  std::atomic<int64_t> shift_{0};
};

struct EmbeddingServerOptions {
  ServerOptions server;
  EmbeddingQueueOptions queue;
};

class EmbeddingServer {
 public:
  explicit EmbeddingServer(EmbeddingServerOptions options = {})
      : assets_(oracle_assets()), queue_(model_, options.queue, clock_) {
    spdlog::set_level(spdlog::level::critical);
    embeddings_.queue = &queue_;
    embeddings_.rules.dimensions = {2, 3};
    served_ = {.name = "embedder",
               .aliases = {"org/embedder"},
               .created = 1,
               .assets = &assets_,
               .context = 16,
               .embeddings = &embeddings_};
    options.server.port = 0;
    server_ = std::make_unique<HttpServer>(options.server);
    server_->state().set_model(&served_);
    engine_ = std::thread([this] { queue_.run(); });
    server_->start();
  }
  ~EmbeddingServer() {
    model_.held.store(false);
    model_.held.notify_all();
    queue_.stop();
    engine_.join();
    server_->stop();
    spdlog::set_level(spdlog::level::warn);
  }
  int port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  EmbeddingQueue& queue() { return queue_; }
  LengthModel& model() { return model_; }
  ShiftedClock& clock() { return clock_; }  // the queue's

 private:
  ShiftedClock clock_;
  TextAssets assets_;
  LengthModel model_;
  EmbeddingQueue queue_;
  ServedEmbeddings embeddings_;
  ServedModel served_;
  std::unique_ptr<HttpServer> server_;
  std::thread engine_;
};

}  // namespace ingot
