// One HTTP request on its way to an answer: what an endpoint sees of it, and how it answers.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "server/live_requests.h"
#include "server/route.h"
#include "server/wakeup.h"

namespace ingot {

struct ServedModel;
class ServerState;

struct HttpRequest {
  std::string method;
  std::string path;       // without the query
  std::string query;      // as sent
  std::string parameter;  // of the route's path
  std::string body;
};

// The connection's side; its thread alone.
class Wire {
 public:
  virtual ~Wire() = default;
  // False: the client is gone.
  virtual Task<bool> write(std::string_view bytes) = 0;
  // The kernel shall take what is left of an answer: it gives that to a client that reads later,
  // when the process has ended.
  virtual void make_room() = 0;
  // If set: told before a write waits for a client that reads no more how many bytes wait with it
  // (its own and those that the kernel has not sent), and kNoBytes behind that.
  static constexpr int64_t kNoBytes = -1;
  std::function<void(int64_t held)> on_full;
};

// A body's bytes, counted against what all bodies may have.
class BodyShare {
 public:
  explicit BodyShare(std::atomic<int64_t>& all) : all_(all) {}
  ~BodyShare() { give_back(); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  // False: more than `most` would be there; what was counted stays so.
  bool grow_to(int64_t bytes, int64_t most);
  void give_back();

 private:
  std::atomic<int64_t>& all_;
  int64_t own_ = 0;
};

// Belongs to one I/O thread.
class Call {
 public:
  Call(ServerState& server, Wire& wire, WakeupQueue& wakeups, std::string id);

  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }
  ServerState& server() { return server_; }
  // The model that is served. ApiError (503) while it loads or the server drains.
  ServedModel& model();
  // When request_timeout is over, counted from when its head was there. On SteadyClock; nothing:
  // never.
  std::optional<int64_t> deadline_ns() const;
  const std::string& id() const { return id_; }      // unique; also a header of the answer
  const Hash128& tenant() const { return tenant_; }  // of the caller's key
  void set_tenant(const Hash128& tenant) { tenant_ = tenant; }

  // Parses and checks the body by the route's schema; names of ignored fields go to a header.
  // A worker may call this.
  Json read_body(const Schema& schema);
  // More fields that have no effect, for the same header; before the answer.
  void add_ignored(const std::vector<std::string>& fields) {
    ignored_.insert(ignored_.end(), fields.begin(), fields.end());
  }

  // Once, unless start_events() was called.
  Task<> reply(int status, const Json& body);
  // 200 with what make() gives. An answer of many values (tokens, or log probabilities) is made and
  // written down on a worker: I/O threads have others to serve.
  template <typename Make>
  Task<> reply_made(int64_t values, const Make& make) {
    constexpr int64_t kFew = 1000;
    std::string text;
    if (values <= kFew) {
      text = text_of(make());
    } else {
      text = co_await on_worker([&] { return text_of(make()); });
    }
    co_await reply_text(200, "application/json", text);
  }
  Task<> reply_text(int status, std::string_view type, std::string_view body);
  // An event stream: the head of the answer, then events, then its end. Look at gone() after each.
  // `frames` become a chunk where they are, since a copy would wait for the client too; they stay
  // until the task has ended, and are empty then.
  Task<> start_events();
  Task<> send(std::string& frames);
  Task<> end_events();
  // See Wire; none: nobody is told.
  void tell_full(std::function<void(int64_t held)> told) { wire_.on_full = std::move(told); }
  bool answered() const { return answered_; }
  bool streaming() const { return streaming_; }
  int status() const { return status_; }

  // The client went away.
  bool gone() const { return gone_; }
  void set_gone();
  const std::shared_ptr<Wakeup>& wakeup() const { return wakeup_; }

  // Runs `work` on a thread of the server's pool; an exception comes back.
  template <typename Work>
  Task<std::invoke_result_t<Work>> on_worker(Work work) {
    using Result = std::invoke_result_t<Work>;
    co_return co_await boost::asio::co_spawn(
        workers(), [work = std::move(work)]() mutable -> Task<Result> { co_return work(); },
        boost::asio::use_awaitable);
  }

  // The same on the server's thread for compiling: what takes long, and may. ApiError when too many
  // wait for it (503), request_timeout is over (504), the server ends (503) or the client has gone:
  // then work that has not begun never does, and the rest goes on, so `work` owns what it uses.
  template <typename Work>
  Task<std::invoke_result_t<Work>> on_compiler(Work work) {
    using Result = std::invoke_result_t<Work>;
    const auto task = std::make_shared<std::packaged_task<Result()>>(std::move(work));
    std::future<Result> result = task->get_future();
    std::function<void()> run = [task] { (*task)(); };
    co_await compile(std::move(run));
    co_return result.get();
  }

  BodyShare body_share;  // until the body has been parsed
  bool keep_alive = true;
  bool head_only = false;                 // HEAD
  bool chunks = true;                     // else, in HTTP/1.0, a stream ends with the connection
  std::vector<std::string> more_headers;  // "Name: value"
  std::string_view cache_control = "no-store";
  int64_t prompt_tokens = 0, output_tokens = 0;  // for the log; told by Answers
  std::string prompt_field = "prompt";           // that the prompt is made of
  std::string form_field;  // that asks for the answers' form; told by hold_requests()
  // Of a request whose form was compiled, until its Answers take it.
  std::unique_ptr<LiveRequest> live;

 private:
  Task<> put(const std::string& bytes);
  static std::string text_of(const Json& body);
  boost::asio::thread_pool& workers();
  Task<> compile(std::function<void()> work);
  std::string head(int status, std::string_view type) const;

  ServerState& server_;
  Wire& wire_;
  HttpRequest request_;
  std::string id_;
  const int64_t arrival_ns_ = SteadyClock().now_ns();
  Hash128 tenant_;
  std::shared_ptr<Wakeup> wakeup_;
  std::vector<std::string> ignored_;
  bool answered_ = false;
  bool streaming_ = false;
  std::atomic<bool> gone_{false};  // set by the I/O thread
  int status_ = 0;
};

}  // namespace ingot
