// What all connections of a server share.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "server/api_keys.h"
#include "server/compile_queue.h"
#include "server/live_requests.h"
#include "server/metrics.h"
#include "server/served_model.h"

namespace ingot {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8000;                           // 0: one that is free
  std::vector<std::string> api_keys;         // none: whoever reaches the port may call
  std::vector<std::string> allowed_origins;  // of browsers (CORS); "*": any; none: no headers
  // Whether a request whose Host names neither this machine nor one of allowed_hosts is refused.
  bool known_hosts_only = false;
  std::vector<std::string> allowed_hosts;  // "*": any
  std::string tls_certificate, tls_key;    // PEM files; both or none
  int64_t io_threads = 1;
  int64_t workers = 2;  // threads that parse, render and tokenize
  int64_t max_connections = 8192;
  int64_t max_header_bytes = 64 << 10;
  int64_t max_headers = 128;
  int64_t max_body_bytes = 32 << 20;
  int64_t max_body_memory = int64_t{1} << 30;  // bytes of all bodies that are there at a time
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};   // between requests of a connection
  std::chrono::milliseconds write_timeout{30'000};  // in which a client reads nothing
  // Bytes of a call's events that may wait for a client that reads no more. What makes them is
  // paused then, and goes on when it reads.
  int64_t max_unread_bytes = 128 << 10;
  std::chrono::milliseconds ping_interval{15'000};  // of event streams without events
  std::chrono::milliseconds request_timeout{0};     // from arrival to the last token; 0: none
  std::chrono::milliseconds drain_timeout{30'000};
  bool vllm_metrics = false;  // /metrics also has vLLM's names
};

class ServerState {
 public:
  explicit ServerState(ServerOptions options);
  ~ServerState();

  const ServerOptions& options() const { return options_; }
  const ApiKeys& keys() const { return keys_; }
  boost::asio::thread_pool& workers() { return *workers_; }
  // Of forms of answers, each of which may take seconds.
  CompileQueue& compile_queue() { return compile_queue_; }
  // Joins both and drops what they have not begun; their callers' I/O queues must still be there.
  void end_workers();
  Metrics& metrics() { return metrics_; }

  // Any thread. The model outlives the server.
  void set_model(ServedModel* model) { model_.store(model); }
  ServedModel* loaded_model() const { return model_.load(); }
  // ApiError (503) while it loads, or when the server drains.
  ServedModel& require_model() const;

  void set_draining() { draining_.store(true); }
  bool draining() const { return draining_.load(); }
  bool ready() const { return loaded_model() != nullptr && !draining(); }
  // Set when drain_timeout is over: what still runs ends with an error.
  std::atomic<bool> ending{false};

  std::atomic<int64_t> body_bytes{0};  // as BodyShares count them
  std::atomic<int64_t> connections{0};
  std::atomic<int64_t> calls{0};  // being answered
  LiveRequests live;              // those of them that the model answers

  // Seconds that a refused client is told to wait.
  int retry_after_s() const;
  std::string new_id(std::string_view prefix);  // "chatcmpl-" and 32 digits; any thread

 private:
  const ServerOptions options_;
  const ApiKeys keys_;
  std::optional<boost::asio::thread_pool> workers_;
  CompileQueue compile_queue_;
  Metrics metrics_;
  std::atomic<ServedModel*> model_{nullptr};
  std::atomic<bool> draining_{false};
  const Hash128 id_seed_;
  std::atomic<uint64_t> ids_{0};
};

}  // namespace ingot
