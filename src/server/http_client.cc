#include "server/http_client.h"

#include <poll.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/optional.hpp>
#include <charconv>
#include <exception>

#include "base/error.h"

namespace ingot {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::string_view kWhere = "server/http_client";
[[noreturn]] void wrong_url(std::string_view text, std::string_view found) {
  fail(ErrorCode::kInvalidArgument, kWhere,
       "expected a URL like http://127.0.0.1:8000, found '{}'{}", text, found);
}

int parse_port(std::string_view digits, std::string_view text) {
  int port = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool whole = error == std::errc() && stop == digits.data() + digits.size();
  if (!whole || port < 1 || port > 65535) wrong_url(text, ": a port is 1 to 65535");
  return port;
}

}  // namespace

namespace http_client {

constexpr size_t kMostKept = size_t{256} << 20;  // bytes of a body that nobody reads as it comes

// What a body is read into: `on_bytes`, or `kept`.
struct Sink {
  const OnBytes* on_bytes = nullptr;
  std::string kept;
  std::exception_ptr thrown;
  std::chrono::steady_clock::time_point last;

  bool take(std::string_view bytes) {
    last = std::chrono::steady_clock::now();
    if (on_bytes == nullptr) {
      kept += bytes;
      return kept.size() <= kMostKept;
    }
    try {
      return (*on_bytes)(bytes);
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  }
};

// Hands a body over without a copy. Beast's contract of a body and its reader.
struct SinkBody {
  using value_type = Sink*;
  class reader {  // NOLINT: the contract's name
   public:
    template <bool isRequest, typename Fields>
    reader(http::header<isRequest, Fields>&, value_type& sink) : sink_(sink) {}
    void init(const boost::optional<uint64_t>&, error_code& error) { error = {}; }
    template <typename Buffers>
    size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      size_t count = 0;
      for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers);
           ++at) {
        const asio::const_buffer part = *at;
        count += part.size();
        if (sink_->take({static_cast<const char*>(part.data()), part.size()})) continue;
        error = asio::error::operation_aborted;
        break;
      }
      return count;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& sink_;
  };
};

}  // namespace http_client

namespace {

auto ready(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

bool is_disconnect(const error_code& error) {
  return error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::broken_pipe || error == asio::error::connection_aborted ||
         error == http::error::end_of_stream || error == http::error::partial_message ||
         error == asio::ssl::error::stream_truncated;
}

}  // namespace

std::string HttpUrl::authority() const {
  const std::string name = host.find(':') == host.npos ? host : fmt::format("[{}]", host);
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

HttpUrl parse_http_url(std::string_view text) {
  HttpUrl out;
  std::string_view rest = text;
  const auto starts = [&](std::string_view scheme) {
    if (!beast::iequals(rest.substr(0, scheme.size()), scheme)) return false;
    rest.remove_prefix(scheme.size());
    return true;
  };
  out.tls = starts("https://");
  if (!out.tls && !starts("http://")) wrong_url(text, "");
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  out.path = rest.substr(slash);
  while (out.path.ends_with('/')) out.path.pop_back();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f) wrong_url(text, ": a byte that no URL has");
  }
  if (text.find_first_of("?#@") != text.npos) {
    wrong_url(text, ": a query, a fragment or a user have no place here");
  }
  size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == authority.npos) wrong_url(text, "");
    out.host = authority.substr(1, close - 1);
    colon = close + 1 < authority.size() ? close + 1 : authority.npos;
    if (colon != authority.npos && authority[colon] != ':') wrong_url(text, "");
  } else {
    out.host = authority.substr(0, colon);
  }
  if (out.host.empty()) wrong_url(text, ": no host");
  out.port = colon == authority.npos ? (out.tls ? 443 : 80)
                                     : parse_port(authority.substr(colon + 1), text);
  return out;
}

std::string_view client_fault_name(ClientFault fault) {
  switch (fault) {
    case ClientFault::kNone:
      return "none";
    case ClientFault::kRefused:
      return "connection refused";
    case ClientFault::kConnect:
      return "cannot connect";
    case ClientFault::kTls:
      return "TLS";
    case ClientFault::kTimeout:
      return "timeout";
    case ClientFault::kDisconnected:
      return "disconnected";
    case ClientFault::kMalformed:
      return "malformed answer";
    case ClientFault::kStopped:
      return "stopped";
  }
  return "";
}

std::string_view ClientAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (beast::iequals(key, name)) return value;
  }
  return {};
}

struct HttpTarget::Addresses {
  std::vector<tcp::endpoint> endpoints;
  std::optional<asio::ssl::context> tls;
};

HttpTarget::HttpTarget(HttpUrl url, ClientOptions options)
    : url_(std::move(url)),
      options_(std::move(options)),
      addresses_(std::make_unique<Addresses>()) {
  asio::io_context io;
  tcp::resolver resolver(io);
  error_code error;
  const auto found = resolver.resolve(url_.host, std::to_string(url_.port), error);
  if (error || found.empty()) {
    fail(ErrorCode::kIo, kWhere, "host '{}': {}", url_.host, error.message());
  }
  for (const auto& entry : found) addresses_->endpoints.push_back(entry.endpoint());
  if (!url_.tls) return;
  addresses_->tls.emplace(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(addresses_->tls->native_handle(), TLS1_2_VERSION);
  addresses_->tls->set_verify_mode(asio::ssl::verify_peer);
  addresses_->tls->set_verify_callback(asio::ssl::host_name_verification(url_.host));
  if (options_.ca_file.empty()) {
    addresses_->tls->set_default_verify_paths(error);
  } else {
    addresses_->tls->load_verify_file(options_.ca_file, error);
  }
  if (error) {
    fail(ErrorCode::kIo, kWhere, "{}: expected certificates in PEM: {}",
         options_.ca_file.empty() ? "the system's CAs" : options_.ca_file, error.message());
  }
}

HttpTarget::~HttpTarget() = default;

class ClientConnection::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, const HttpTarget& target)
      : io_(io), target_(target), socket_(io), timer_(io) {}

  Task<ClientAnswer> call(const ClientRequest& request, const OnBytes* on_bytes) {
    ClientAnswer answer;
    http_client::Sink sink;
    sink_ = &sink;
    stopped_ = timed_out_ = false;
    if (!reusable()) {
      co_await connect(answer);
    }
    if (answer.fault == ClientFault::kNone) {
      sink.last = std::chrono::steady_clock::now();
      watch(target_.options().quiet_timeout);
      const std::string bytes = head(request) + request.body;
      if (tls_) {
        co_await exchange(*tls_, bytes, request.method == "HEAD", on_bytes, answer);
      } else {
        co_await exchange(socket_, bytes, request.method == "HEAD", on_bytes, answer);
      }
    }
    timer_.cancel();
    sink_ = nullptr;
    answer.body = std::move(sink.kept);
    if (!keep_ || answer.fault != ClientFault::kNone) close();
    if (sink.thrown) std::rethrow_exception(sink.thrown);
    co_return answer;
  }

  void stop() {
    stopped_ = true;
    close_socket();
  }

  void close() {
    close_socket();
    tls_.reset();
    keep_ = false;
  }

 private:
  tcp::socket& socket() { return tls_ ? tls_->next_layer() : socket_; }

  void close_socket() {
    error_code ignored;
    socket().close(ignored);
  }

  // A server that closed a kept connection, or said something unasked, is connected to anew.
  bool reusable() {
    if (!keep_ || !socket().is_open()) return false;
    pollfd peer{socket().native_handle(), POLLIN | POLLRDHUP, 0};
    return ::poll(&peer, 1, 0) == 0;
  }

  // Closes the socket once no byte came for so long.
  void watch(std::chrono::milliseconds limit) {
    if (limit.count() == 0) return;
    timer_.expires_at(sink_->last + limit);
    timer_.async_wait([weak = weak_from_this(), limit](const error_code& error) {
      const auto self = weak.lock();
      if (error || !self || self->sink_ == nullptr) return;
      if (std::chrono::steady_clock::now() < self->sink_->last + limit) return self->watch(limit);
      self->timed_out_ = true;
      self->close_socket();
    });
  }

  void set_fault(ClientAnswer& answer, ClientFault fault, std::string message) const {
    answer.fault = stopped_ ? ClientFault::kStopped : timed_out_ ? ClientFault::kTimeout : fault;
    answer.message = timed_out_ && !stopped_ ? "nothing came in time" : std::move(message);
  }

  Task<> connect(ClientAnswer& answer) {
    close();
    buffer_.clear();
    sink_->last = std::chrono::steady_clock::now();
    watch(target_.options().connect_timeout);
    error_code error;
    socket_ = tcp::socket(io_);
    co_await asio::async_connect(socket_, target_.addresses_->endpoints, ready(error));
    if (error) {
      const bool refused = error == asio::error::connection_refused;
      set_fault(answer, refused ? ClientFault::kRefused : ClientFault::kConnect, error.message());
      co_return;
    }
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    if (target_.addresses_->tls) {
      co_await shake_hands(answer);
    }
    timer_.cancel();
    keep_ = answer.fault == ClientFault::kNone;
  }

  Task<> shake_hands(ClientAnswer& answer) {
    tls_.emplace(std::move(socket_), *target_.addresses_->tls);
    SSL_set_tlsext_host_name(tls_->native_handle(), target_.url().host.c_str());
    error_code error;
    co_await tls_->async_handshake(asio::ssl::stream_base::client, ready(error));
    if (error) set_fault(answer, ClientFault::kTls, error.message());
  }

  std::string head(const ClientRequest& request) const {
    std::string out = fmt::format(
        "{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ingot/{}\r\nAccept: */*\r\n", request.method,
        target_.url().path, request.path, target_.url().authority(), INGOT_VERSION);
    if (!target_.options().api_key.empty()) {
      out += fmt::format("Authorization: Bearer {}\r\n", target_.options().api_key);
    }
    if (!request.body.empty()) {
      out += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                         request.body.size());
    }
    return out + "\r\n";
  }

  template <typename Stream>
  Task<> exchange(Stream& stream, const std::string& bytes, bool head_only, const OnBytes* on_bytes,
                  ClientAnswer& answer) {
    error_code error;
    co_await asio::async_write(stream, asio::buffer(bytes), ready(error));
    // A server may answer and close before it has read all: the answer tells why.
    http::response_parser<http_client::SinkBody> parser;
    parser.body_limit(boost::none);
    parser.skip(head_only);
    parser.get().body() = sink_;
    buffer_.reserve(16384);
    error = {};
    co_await http::async_read_header(stream, buffer_, parser, ready(error));
    if (!error) {
      answer.status = parser.get().result_int();
      for (const auto& field : parser.get()) {
        answer.headers.emplace_back(field.name_string(), field.value());
      }
      if (answer.status == 200) sink_->on_bytes = on_bytes;
      if (!parser.is_done()) {
        co_await http::async_read(stream, buffer_, parser, ready(error));
      }
    }
    keep_ = !error && parser.keep_alive();
    if (!error) co_return;
    const bool closed = is_disconnect(error);
    const bool enough = error == asio::error::operation_aborted && !timed_out_;
    set_fault(answer,
              closed   ? ClientFault::kDisconnected
              : enough ? ClientFault::kStopped
                       : ClientFault::kMalformed,
              error.message());
  }

  asio::io_context& io_;
  const HttpTarget& target_;
  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket>> tls_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_;
  http_client::Sink* sink_ = nullptr;  // of the call that runs
  bool keep_ = false;                  // the connection is good for another call
  bool stopped_ = false;
  bool timed_out_ = false;
};

ClientConnection::ClientConnection(asio::io_context& io, const HttpTarget& target)
    : impl_(std::make_shared<Impl>(io, target)) {}

ClientConnection::~ClientConnection() {
  if (impl_) impl_->close();
}

Task<ClientAnswer> ClientConnection::call(const ClientRequest& request, const OnBytes& on_bytes) {
  return impl_->call(request, on_bytes ? &on_bytes : nullptr);
}

Task<ClientAnswer> ClientConnection::call(const ClientRequest& request) {
  return impl_->call(request, nullptr);
}

void ClientConnection::stop() { impl_->stop(); }

}  // namespace ingot
