#include "cli/contract/serve_load.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <cmath>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "cli/contract/chunk_scan.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/openai_server.h"
#include "server/sse_parser.h"

namespace ingot {

namespace asio = boost::asio;

namespace serve_load {

void take_usage(const Json& answer, ServeRecord& record) {
  const auto usage = answer.find("usage");
  if (usage == answer.end() || !usage->is_object()) return;
  const auto count = [&](const char* key, int64_t& out) {
    const auto at = usage->find(key);
    if (at != usage->end() && at->is_number_integer()) out = at->get<int64_t>();
  };
  count("prompt_tokens", record.input);
  count("completion_tokens", record.output);
}

// The events of one answer.
class Reader {
 public:
  Reader(ServeRecord& record, const Stopwatch& watch) : record_(record), watch_(watch) {}

  // False: what has come is no event stream, or one without bounds.
  bool take(std::string_view bytes) {
    now_ = watch_.ms() * 1e-3;  // of all that one read brought
    try {
      parser_.feed(bytes, [this](const SseEvent& event) { on_event(event); });
    } catch (const Error& error) {
      broken_ = true;
      error_ = error.what();
    }
    return !broken_;
  }
  bool broken() const { return broken_; }
  // Why the stream, which ended in good order or is broken, is no whole answer.
  std::string fault() const {
    if (broken_) return "malformed stream";
    if (!error_.empty()) return "error in the stream";
    return done_ || finished_ ? "" : "the stream ended early";
  }
  const std::string& message() const { return error_; }

 private:
  void on_event(const SseEvent& event) {
    if (event.data == "[DONE]") {
      done_ = true;
      return;
    }
    const ChunkScan scan = scan_chunk(event.data);
    if (scan.text) record_.chunks.push_back(now_);
    finished_ = finished_ || scan.finished;
    if (scan.error && error_.empty()) error_ = error_message(event.data);
    if (!scan.usage) return;
    const Json json = Json::parse(event.data, nullptr, false);
    if (json.is_object()) take_usage(json, record_);
  }

  ServeRecord& record_;
  const Stopwatch& watch_;
  SseParser parser_;
  double now_ = 0;
  std::string error_;
  bool broken_ = false;
  bool done_ = false;
  bool finished_ = false;
};

class Load {
 public:
  Load(const HttpTarget& target, const std::vector<std::string>& bodies,
       const ServeLoadOptions& options, const std::string& what)
      : target_(target),
        bodies_(bodies),
        options_(options),
        arrival_(io_),
        interrupt_(io_),
        progress_(what, static_cast<int64_t>(bodies.size()), "requests") {
    out_.records.resize(bodies.size());
  }

  ServeResult run() {
    if (interrupt_pipe() >= 0) {
      interrupt_.assign(::dup(interrupt_pipe()));
      interrupt_.async_wait(asio::posix::stream_descriptor::wait_read,
                            [this](const boost::system::error_code& error) {
                              if (!error) stop();
                            });
    }
    watch_.restart();
    pump();
    io_.run();
    if (failure_) std::rethrow_exception(failure_);
    out_.duration = watch_.ms() * 1e-3;
    return std::move(out_);
  }

 private:
  struct Live {
    explicit Live(asio::io_context& io, std::unique_ptr<ClientConnection> connection)
        : client(std::move(connection)), pause(io) {}
    std::unique_ptr<ClientConnection> client;
    asio::steady_timer pause;
  };

  double now() const { return watch_.ms() * 1e-3; }
  bool full() const {
    return options_.concurrency > 0 && static_cast<int64_t>(live_.size()) >= options_.concurrency;
  }

  // Begins what is due; sleeps until the next is.
  void pump() {
    while (!stopping_ && next_ < bodies_.size() && !full()) {
      const double due = options_.arrivals[next_];
      if (due > now()) {
        arrival_.expires_after(
            std::chrono::microseconds(static_cast<int64_t>(std::ceil((due - now()) * 1e6))));
        arrival_.async_wait([this](const boost::system::error_code& error) {
          if (!error) pump();
        });
        return;
      }
      begin(next_++);
    }
    if (live_.empty() && (stopping_ || next_ == bodies_.size())) interrupt_.close();
  }

  void begin(size_t index) {
    std::unique_ptr<ClientConnection> client;
    if (idle_.empty()) {
      client = std::make_unique<ClientConnection>(io_, target_);
    } else {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
    auto live = std::make_shared<Live>(io_, std::move(client));
    live_.insert(live);
    out_.peak = std::max(out_.peak, static_cast<int64_t>(live_.size()));
    asio::co_spawn(io_, run_one(index, *live), [this, live](const std::exception_ptr& thrown) {
      if (thrown && !failure_) {
        failure_ = thrown;
        stop();
      }
      idle_.push_back(std::move(live->client));
      live_.erase(live);
      progress_.add(1);
      // Not from within a client's own callbacks.
      asio::post(io_, [this] { pump(); });
    });
  }

  Task<> run_one(size_t index, Live& live) {
    ServeRecord& record = out_.records[index];
    record.start = now();
    record.sent = true;
    for (int64_t left = options_.retry; !stopping_; --left) {
      const double wait = co_await attempt(index, live, left > 0);
      if (wait < 0) break;
      ++record.retries;
      live.pause.expires_after(std::chrono::milliseconds(static_cast<int64_t>(wait * 1e3)));
      boost::system::error_code ignored;
      co_await live.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    record.end = now();
  }

  // Seconds to wait before another try; below 0: it is over.
  Task<double> attempt(size_t index, Live& live, bool again) {
    ServeRecord& record = out_.records[index];
    Reader reader(record, watch_);
    ClientRequest request;
    request.method = "POST";
    request.path = options_.path;
    request.body = bodies_[index];
    OnBytes on_bytes;  // none: the answer's body is kept
    if (options_.stream) {
      on_bytes = [&reader](std::string_view bytes) { return reader.take(bytes); };
    }
    const ClientAnswer answer = co_await live.client->call(request, on_bytes);
    const bool refused = answer.status == 429 || answer.status == 503;
    if (refused) ++out_.refused;
    if (refused && again && answer.fault == ClientFault::kNone) co_return retry_after(answer);
    judge(answer, reader, record);
    co_return -1.0;
  }

  static double retry_after(const ClientAnswer& answer) {
    constexpr double kDefault = 1, kMost = 120;
    const std::string_view text = answer.header("retry-after");
    double seconds = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return error == std::errc() ? std::clamp(seconds, 0.0, kMost) : kDefault;
  }

  void judge(const ClientAnswer& answer, const Reader& reader, ServeRecord& record) const {
    if (answer.fault == ClientFault::kStopped && stopping_) return;
    record.done = true;
    if (reader.broken()) {
      record.fault = reader.fault();
      record.message = reader.message();
    } else if (answer.fault != ClientFault::kNone) {
      record.fault = client_fault_name(answer.fault);
      record.message = answer.message;
    } else if (answer.status != 200) {
      record.fault = fmt::format("HTTP {}", answer.status);
      record.message = error_message(answer.body);
    } else if (options_.stream) {
      record.fault = reader.fault();
      record.message = reader.message();
    } else {
      judge_whole(answer, record);
    }
    if (record.output == 0) record.output = static_cast<int64_t>(record.chunks.size());
    if (record.fault.empty() && record.output == 0) record.fault = "an answer without tokens";
  }

  static void judge_whole(const ClientAnswer& answer, ServeRecord& record) {
    const Json json = Json::parse(answer.body, nullptr, false);
    if (!json.is_object() || !json.contains("choices")) {
      record.fault = "no JSON with choices";
      record.message = error_message(answer.body);
      return;
    }
    take_usage(json, record);
  }

  void stop() {
    out_.interrupted = interrupted.load();
    stopping_ = true;
    arrival_.cancel();
    for (const auto& live : live_) {
      live->pause.cancel();
      if (live->client) live->client->stop();
    }
    if (live_.empty()) interrupt_.close();
  }

  const HttpTarget& target_;
  const std::vector<std::string>& bodies_;
  const ServeLoadOptions& options_;
  asio::io_context io_{1};
  asio::steady_timer arrival_;
  asio::posix::stream_descriptor interrupt_;
  Stopwatch watch_;
  Progress progress_;
  ServeResult out_;
  size_t next_ = 0;
  std::set<std::shared_ptr<Live>> live_;
  std::vector<std::unique_ptr<ClientConnection>> idle_;  // kept connections
  std::exception_ptr failure_;
  bool stopping_ = false;
};

}  // namespace serve_load

std::vector<double> arrival_times(int64_t count, double rate, bool fixed, int64_t seed) {
  std::vector<double> out;
  double at = 0;
  for (int64_t i = 0; i < count; ++i) {
    out.push_back(at);
    if (rate == 0) continue;
    const double u = 1.0 - random_unit(static_cast<uint64_t>(seed), static_cast<uint64_t>(i));
    at += (fixed ? 1.0 : -std::log(u)) / rate;
  }
  return out;
}

ServeResult run_load(const HttpTarget& target, const std::vector<std::string>& bodies,
                     const ServeLoadOptions& options, const std::string& what) {
  serve_load::Load load(target, bodies, options, what);
  return load.run();
}

}  // namespace ingot
