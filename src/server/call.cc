#include "server/call.h"

#include <algorithm>

#include "server/api_error.h"
#include "server/http_status.h"
#include "server/server_state.h"

namespace ingot {

bool BodyShare::grow_to(int64_t bytes, int64_t most) {
  const int64_t more = bytes - own_;
  if (more <= 0) return true;
  if (all_.fetch_add(more) + more > most) {
    all_.fetch_sub(more);
    return false;
  }
  own_ = bytes;
  return true;
}

void BodyShare::give_back() { all_.fetch_sub(std::exchange(own_, 0)); }

Call::Call(ServerState& server, Wire& wire, WakeupQueue& wakeups, std::string id)
    : body_share(server.body_bytes),
      server_(server),
      wire_(wire),
      id_(std::move(id)),
      wakeup_(std::make_shared<Wakeup>(wakeups)) {}

boost::asio::thread_pool& Call::workers() { return server_.workers(); }

std::optional<int64_t> Call::deadline_ns() const {
  const auto timeout = server_.options().request_timeout;
  if (timeout.count() <= 0) return std::nullopt;
  return arrival_ns_ + std::chrono::nanoseconds(timeout).count();
}

Task<> Call::compile(std::function<void()> work) {
  constexpr std::chrono::nanoseconds kTick = std::chrono::milliseconds(500);  // as Answers::next()
  const auto place = server_.compile_queue().enter(
      tenant_.low, std::move(work), [wakeup = wakeup_] { wakeup->ring(); }, id_);
  if (place == nullptr) {
    throw unavailable("too many forms of answers wait to be compiled", server_.retry_after_s());
  }
  while (!place->ended()) {
    if (gone()) throw plain_error(500, "the client went away");  // nobody reads it
    if (server_.ending.load()) {
      throw unavailable("the server is shutting down", server_.retry_after_s());
    }
    std::chrono::nanoseconds time = kTick;
    if (const auto deadline = deadline_ns()) {
      const std::chrono::nanoseconds left(*deadline - SteadyClock().now_ns());
      if (left.count() <= 0) throw took_too_long();
      time = std::min(time, left);
    }
    const bool rung = co_await wakeup_->wait(time);
    static_cast<void>(rung);
  }
}

ServedModel& Call::model() { return server_.require_model(); }

Json Call::read_body(const Schema& schema) {
  Json body = parse_body(request_.body);
  std::string().swap(request_.body);  // answers may take long
  body_share.give_back();
  ignored_ = check_body(body, schema);
  return body;
}

void Call::set_gone() {
  gone_ = true;
  wakeup_->ring_here();
}

std::string Call::head(int status, std::string_view type) const {
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nx-request-id: {}\r\nServer: ingot\r\n"
      "Cache-Control: {}\r\nX-Content-Type-Options: nosniff\r\nConnection: {}\r\n",
      status, status_text(status), type, id_, cache_control, keep_alive ? "keep-alive" : "close");
  if (!ignored_.empty()) {
    out += fmt::format("x-ignored-fields: {}\r\n", fmt::join(ignored_, ", "));
  }
  for (const std::string& header : more_headers) out += header + "\r\n";
  return out;
}

Task<> Call::put(const std::string& bytes) {
  if (gone_) co_return;
  const bool written = co_await wire_.write(bytes);
  if (!written) set_gone();
}

std::string Call::text_of(const Json& body) {
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Task<> Call::reply(int status, const Json& body) {
  const std::string text = text_of(body);
  co_await reply_text(status, "application/json", text);
}

Task<> Call::reply_text(int status, std::string_view type, std::string_view body) {
  answered_ = true;
  status_ = status;
  std::string out = head(status, type);
  out += fmt::format("Content-Length: {}\r\n\r\n", body.size());
  if (!head_only) out += body;
  co_await put(out);
}

Task<> Call::start_events() {
  answered_ = streaming_ = true;
  status_ = 200;
  keep_alive &= chunks;
  const std::string out = head(200, "text/event-stream") + "X-Accel-Buffering: no\r\n" +
                          (chunks ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
  co_await put(out);
}

Task<> Call::send(std::string& frames) {
  if (frames.empty()) co_return;
  if (chunks) {
    frames.insert(0, fmt::format("{:x}\r\n", frames.size()));
    frames += "\r\n";
  }
  co_await put(frames);
  frames.clear();
}

Task<> Call::end_events() {
  const std::string last = chunks ? "0\r\n\r\n" : "";
  co_await put(last);
}

}  // namespace ingot
