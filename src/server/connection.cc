#include "server/connection.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cctype>
#include <limits>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/access_log.h"
#include "server/api_error.h"
#include "server/call.h"
#include "server/cors.h"
#include "server/host_check.h"
#include "server/request_head.h"

namespace ingot {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

constexpr int64_t kMostUnwanted = 4096;  // bytes of a body where no endpoint wants one

// Bytes that make_room() may set: a megabyte, or what the machine allows.
int largest_send_buffer() {
  int64_t allowed = int64_t{1} << 20;
  try {
    allowed = std::min(allowed, std::stol(read_file("/proc/sys/net/core/wmem_max")));
  } catch (const std::exception&) {  // not told here
  }
  return static_cast<int>(allowed);
}

// Told when the client closes its side while its request is being answered.
struct Watch {
  Call* call = nullptr;  // null: nobody is interested any more
  asio::steady_timer later;
};

template <typename Stream>
class Connection final : public Wire {
 public:
  Connection(Stream& stream, ServerState& state, Shard& shard)
      : stream_(stream),
        state_(state),
        shard_(shard),
        buffer_(static_cast<size_t>(state.options().max_header_bytes)) {
    shard_.wires.insert(this);
  }
  ~Connection() { shard_.wires.erase(this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Task<> run() {
    bool more = true;
    while (more) more = co_await one_request();
    co_await close();
  }

  Task<bool> write(std::string_view bytes) override {
    boost::system::error_code error;
    while (!bytes.empty() && !error) {
      const bool full = on_full && !has_room();
      if (full) on_full(static_cast<int64_t>(bytes.size()) + unsent());
      lowest().expires_after(state_.options().write_timeout);  // slow is not stopped
      const size_t wrote = co_await stream_.async_write_some(asio::buffer(bytes), ready(error));
      if (full && on_full) on_full(kNoBytes);
      bytes.remove_prefix(wrote);
    }
    co_return !error;
  }

  // Either option wakes a write that waits. A buffer that the kernel has made larger stays so.
  void make_room() override {
    static const int most = largest_send_buffer();
    const int socket = lowest().socket().native_handle();
    const int any = std::numeric_limits<int>::max();
    ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &any, sizeof(any));
    int now = 0;
    socklen_t size = sizeof(now);
    // The kernel tells, and keeps, twice of what is set.
    if (::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &now, &size) != 0 || now >= 2 * most) return;
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
  }

 private:
  using Body = http::request_parser<http::string_body>;

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }
  static auto ready(boost::system::error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
  }

  // Whether the kernel takes bytes now (kMostUnsent of http_server.cc are its room). Asked of the
  // socket, because a write that is only waiting for this thread has room.
  bool has_room() {
    pollfd peer{lowest().socket().native_handle(), POLLOUT, 0};
    return ::poll(&peer, 1, 0) != 0;
  }

  // Bytes that the kernel has taken and not sent.
  int64_t unsent() {
    int bytes = 0;
    return ::ioctl(lowest().socket().native_handle(), SIOCOUTQNSD, &bytes) == 0 ? bytes : 0;
  }

  // False: the connection ends.
  Task<bool> one_request() {
    boost::system::error_code error;
    const auto& options = state_.options();
    if (buffer_.size() == 0) {
      lowest().expires_after(options.idle_timeout);
      const size_t got = co_await stream_.async_read_some(buffer_.prepare(4096), ready(error));
      if (error) co_return false;
      buffer_.commit(got);
    }
    lowest().expires_after(options.header_timeout);
    const size_t head = co_await read_head(error);
    if (error) co_return false;
    Call call(state_, *this, shard_.wakeups, state_.new_id("req_"));
    if (head == 0) {
      call.keep_alive = false;
      co_await refuse(call, plain_error(431, fmt::format("the request's head: expected at most {} "
                                                         "bytes",
                                                         options.max_header_bytes)));
      co_return false;
    }
    const SteadyClock clock;
    const int64_t begin = clock.now_ns();
    state_.calls.fetch_add(1);
    {
      const CountBack count(state_.calls);
      co_await answer(call, std::string(text_of(head)));
    }
    if (call.status() > 0) state_.metrics().answered(call.status());
    log_access(call, static_cast<double>(clock.now_ns() - begin) * 1e-6);
    co_return call.keep_alive && !call.gone();
  }

  // Bytes of the next head with its empty line; 0: there are too many. (asio's read_until would
  // read into a copy of the buffer.)
  Task<size_t> read_head(boost::system::error_code& error) {
    size_t looked = 0;
    while (true) {
      const size_t end = head_end(text_of(buffer_.size()), looked);
      const size_t room = buffer_.max_size() - buffer_.size();
      if (end > 0 || room == 0) co_return end;
      looked = buffer_.size();
      const auto space = buffer_.prepare(std::min<size_t>(room, 4096));
      const size_t got = co_await stream_.async_read_some(space, ready(error));
      if (error) co_return 0;
      buffer_.commit(got);
    }
  }

  // Behind the first empty line, 0 without one. Bare LFs end a head too, which then is malformed.
  static size_t head_end(std::string_view text, size_t looked) {
    for (size_t at = text.find('\n', looked - std::min<size_t>(looked, 2)); at != text.npos;
         at = text.find('\n', at + 1)) {
      const std::string_view next = text.substr(at + 1);
      if (next.starts_with('\n')) return at + 2;
      if (next.starts_with("\r\n")) return at + 3;
    }
    return 0;
  }

  std::string_view text_of(size_t bytes) const {
    return {static_cast<const char*>(buffer_.data().data()), bytes};
  }

  Task<> answer(Call& call, std::string head_text) {
    std::optional<ApiError> fault;
    try {
      co_await handle(call, head_text);
    } catch (const ApiError& error) {
      fault = error;
    } catch (const Error& error) {
      fault = api_error_of(error);
    } catch (const std::bad_alloc&) {
      fault = unavailable("no memory for this request", state_.retry_after_s());
    } catch (const std::exception& error) {
      spdlog::error("{}: {}", call.id(), error.what());
      fault = server_fault();
    }
    if (fault) co_await refuse(call, *fault);
  }

  Task<> handle(Call& call, const std::string& head_text) {
    const bool wished = std::exchange(call.keep_alive, false);  // until the whole request is here
    const RequestHead head = parse_request_head(head_text, state_.options().max_headers);
    HttpRequest& request = call.request();
    request.method = head.method;
    request.path = head.path;
    request.query = head.query;
    call.head_only = head.method == "HEAD";
    call.chunks = head.minor_version > 0;
    allow_origin(call, head);
    check_host(head);
    const RouteMatch match = find_route(head.method, head.path);
    const bool preflight = head.method == "OPTIONS" && !state_.options().allowed_origins.empty();
    if (!preflight) authorize(call, head, match);
    request.parameter = match.parameter;
    const bool wanted = match.route != nullptr && match.method_fits && match.route->body != nullptr;
    if (!wanted && !preflight && head.content_length > kMostUnwanted)
      check_match(call, head, match);
    co_await read_body(call, head, head_text, wanted);
    call.keep_alive = wished && head.keep_alive() && !state_.draining();
    if (preflight) {
      co_await call.reply_text(204, "text/plain", "");
      co_return;
    }
    check_match(call, head, match);
    if (wanted) check_content_type(head);
    co_await call_route(call, *match.route);
  }

  static void check_match(Call& call, const RequestHead& head, const RouteMatch& match) {
    if (match.route == nullptr) {
      throw not_found(fmt::format("there is no endpoint {}", printable(head.path)));
    }
    if (match.method_fits) return;
    call.more_headers.push_back(match.route->method == Method::kGet ? "Allow: GET, HEAD"
                                                                    : "Allow: POST");
    throw plain_error(405, fmt::format("{} does not take {}", printable(head.path), head.method));
  }

  Task<> call_route(Call& call, const RouteDef& route) {
    if (!route.while_loading) call.model();
    const auto watch =
        std::make_shared<Watch>(Watch{&call, asio::steady_timer(stream_.get_executor())});
    watch_for_end(watch);
    std::exception_ptr thrown;
    try {
      co_await route.handle(call);
    } catch (...) {
      thrown = std::current_exception();
    }
    watch->call = nullptr;
    watch->later.cancel();
    boost::system::error_code ignored;
    lowest().socket().cancel(ignored);
    if (thrown) std::rethrow_exception(thrown);
  }

  // The client closed its side: it has gone. Bytes that come, of a next request or of TLS, stay
  // unread until the answer is over; the end may be behind them, so it is looked for again.
  void watch_for_end(const std::shared_ptr<Watch>& watch) {
    lowest().socket().async_wait(
        tcp::socket::wait_read, [this, watch](const boost::system::error_code& error) {
          if (error || watch->call == nullptr) return;
          pollfd peer{lowest().socket().native_handle(), POLLRDHUP, 0};
          if (::poll(&peer, 1, 0) == 1) return watch->call->set_gone();
          watch->later.expires_after(std::chrono::milliseconds(200));
          watch->later.async_wait([this, watch](const boost::system::error_code&) {
            if (watch->call != nullptr) watch_for_end(watch);
          });
        });
  }

  static std::string printable(const std::string& path) {
    return Json(path.substr(0, 200)).dump(-1, ' ', true, Json::error_handler_t::replace);
  }

  void allow_origin(Call& call, const RequestHead& head) const {
    const std::string_view origin = head.header("origin");
    if (origin.empty()) return;
    for (const std::string& allowed : state_.options().allowed_origins) {
      if (allowed != "*" && allowed != origin) continue;
      call.more_headers.push_back(fmt::format("Access-Control-Allow-Origin: {}", allowed));
      call.more_headers.push_back("Vary: Origin");
      call.more_headers.push_back("Access-Control-Allow-Methods: GET, POST");
      call.more_headers.push_back("Access-Control-Allow-Headers: " +
                                  allowed_headers(head.header("access-control-request-headers")));
      call.more_headers.push_back("Access-Control-Expose-Headers: x-request-id, x-ignored-fields");
      return;
    }
  }

  // Browsers always send a Host; a request of HTTP/1.0 without one is not theirs.
  void check_host(const RequestHead& head) const {
    const ServerOptions& options = state_.options();
    if (!options.known_hosts_only) return;
    const bool none = std::none_of(head.headers.begin(), head.headers.end(),
                                   [](const auto& header) { return header.first == "host"; });
    if (none || is_known_host(head.header("host"), options.allowed_hosts)) return;
    throw plain_error(403, fmt::format("the Host {} is no name of this machine that is known here: "
                                       "--allowed-hosts names more",
                                       printable(std::string(head.header("host")))));
  }

  // By the matched endpoint, never by the path.
  void authorize(Call& call, const RequestHead& head, const RouteMatch& match) const {
    if (match.route != nullptr && match.route->access.is_public()) return;
    if (state_.keys().empty()) return;
    std::string_view key = head.header("x-api-key");
    const std::string_view given = head.header("authorization");
    constexpr size_t kScheme = 7;  // of "Bearer "
    if (given.size() > kScheme && same_letters(given.substr(0, kScheme), "bearer "))
      key = given.substr(kScheme);
    const auto tenant = state_.keys().tenant_of(key);
    if (!tenant) {
      call.more_headers.emplace_back("WWW-Authenticate: Bearer");
      throw unauthorized(!key.empty());
    }
    call.set_tenant(*tenant);
  }

  // But for capitals; `small` has none.
  static bool same_letters(std::string_view text, std::string_view small) {
    return std::equal(text.begin(), text.end(), small.begin(), small.end(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    });
  }

  // Pages of other sites may send text without asking first; JSON they may not.
  static void check_content_type(const RequestHead& head) {
    std::string type(head.header("content-type"));
    type = type.substr(0, type.find(';'));
    while (!type.empty() && type.back() == ' ') type.pop_back();
    if (same_letters(type, "application/json")) return;
    throw plain_error(415, "expected Content-Type: application/json");
  }

  // A body that no endpoint wants may come from anyone: it is read past where it is small, and is
  // not of those that the server has room for.
  Task<> read_body(Call& call, const RequestHead& head, const std::string& head_text, bool wanted) {
    const auto most =
        static_cast<uint64_t>(wanted ? state_.options().max_body_bytes : kMostUnwanted);
    const auto too_large = [&] {
      return plain_error(413, fmt::format("the body: expected at most {} bytes", most));
    };
    if (!head.header("content-encoding").empty() && head.header("content-encoding") != "identity") {
      throw plain_error(415, "expected a body without Content-Encoding");
    }
    if (head.content_length > static_cast<int64_t>(most)) throw too_large();
    const std::string_view expect = head.header("expect");
    if (!expect.empty() && !same_letters(expect, "100-continue")) {
      throw plain_error(417, "Expect: expected 100-continue, or none");
    }
    if (!expect.empty()) {
      co_await write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    // Beast reads head and body; a head that it understands otherwise than we do ends here.
    Body parser;
    parser.header_limit(static_cast<uint32_t>(state_.options().max_header_bytes));
    parser.body_limit(most);
    parser.eager(false);
    boost::system::error_code error;
    buffer_.consume(parser.put(asio::buffer(head_text), error));
    if (!error) {
      lowest().expires_after(state_.options().body_timeout);
      while (!error && !parser.is_done()) {
        co_await http::async_read_some(stream_, buffer_, parser, ready(error));
        // By what has come: a length that is only promised takes no room.
        const auto bytes = static_cast<int64_t>(parser.get().body().size());
        if (wanted && !call.body_share.grow_to(bytes, state_.options().max_body_memory)) {
          throw unavailable("too many request bodies are there", state_.retry_after_s());
        }
      }
    }
    if (error == http::error::body_limit) throw too_large();
    if (error.category() == http::make_error_code(http::error::bad_chunk).category()) {
      throw plain_error(400, "the request is not well-formed HTTP");
    }
    if (error) {
      call.set_gone();  // Beast has closed the connection
      throw plain_error(408, "the body did not come");
    }
    call.request().body = std::move(parser.get().body());
  }

  Task<> refuse(Call& call, const ApiError& error) {
    if (call.gone()) co_return;
    if (call.streaming()) {
      call.keep_alive = false;
      std::string frame = "data: " + error_body(error).dump() + "\n\n";
      co_await call.send(frame);
      co_await call.end_events();
      co_return;
    }
    if (call.answered()) {
      call.keep_alive = false;
      co_return;
    }
    if (error.retry_after_s > 0) {
      call.more_headers.push_back(fmt::format("Retry-After: {}", error.retry_after_s));
    }
    co_await call.reply(error.status, error_body(error));
  }

  // Lets an answer arrive before the connection is reset for bytes that nobody read.
  Task<> close() {
    boost::system::error_code error;
    if constexpr (!std::is_same_v<Stream, beast::tcp_stream>) {
      lowest().expires_after(std::chrono::seconds(1));
      co_await stream_.async_shutdown(ready(error));
    }
    lowest().socket().shutdown(tcp::socket::shutdown_send, error);
    lowest().expires_after(std::chrono::seconds(1));
    const auto most = static_cast<size_t>(state_.options().max_body_bytes);
    std::array<char, 65536> dropped;
    for (size_t read = 0; read < most && !error;) {
      const size_t got = co_await lowest().async_read_some(asio::buffer(dropped), ready(error));
      read += got;
    }
    lowest().close();
  }

  Stream& stream_;
  ServerState& state_;
  Shard& shard_;
  beast::flat_buffer buffer_;
};

template <typename Stream>
Task<> run_connection(Stream& stream, ServerState& state, Shard& shard) {
  try {
    Connection<Stream> connection(stream, state, shard);
    co_await connection.run();
  } catch (const std::exception& error) {
    spdlog::error("a connection: {}", error.what());
  }
}

}  // namespace

Task<> serve_plain(tcp::socket socket, ServerState& state, Shard& shard) {
  beast::tcp_stream stream(std::move(socket));
  co_await run_connection(stream, state, shard);
}

Task<> serve_tls(tcp::socket socket, asio::ssl::context& tls, ServerState& state, Shard& shard) {
  beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), tls);
  beast::get_lowest_layer(stream).expires_after(state.options().header_timeout);
  boost::system::error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::server,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  co_await run_connection(stream, state, shard);
}

}  // namespace ingot
