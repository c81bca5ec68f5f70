#include "server/http_server.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "base/log.h"
#include "base/seldom.h"
#include "server/call.h"
#include "server/connection.h"

namespace ingot {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::string_view kWhere = "server/http_server";
constexpr int64_t kBetweenFailures = 5'000'000'000;  // ns, of lines about accept()
constexpr int kMostUnsent = 64 << 10;  // bytes of a connection that the kernel has not sent

// An endpoint of "127.0.0.1", "::1", "localhost" or a name.
tcp::endpoint endpoint_of(asio::io_context& io, const ServerOptions& options) {
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    fail(ErrorCode::kIo, kWhere, "host '{}' is no address of this machine: {}", options.host,
         error.message());
  }
  return *found.begin();
}

std::unique_ptr<asio::ssl::context> tls_context(const ServerOptions& options) {
  if (options.tls_certificate.empty()) return nullptr;
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  boost::system::error_code error;
  context->use_certificate_chain_file(options.tls_certificate, error);
  if (error) {
    fail(ErrorCode::kIo, kWhere, "{}: expected a certificate chain in PEM: {}",
         options.tls_certificate, error.message());
  }
  // OpenSSL would ask whoever has the terminal, and wait.
  const auto asked = std::make_shared<bool>(false);
  context->set_password_callback([asked](size_t, asio::ssl::context::password_purpose) {
    *asked = true;
    return std::string();
  });
  context->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error) {
    fail(ErrorCode::kIo, kWhere, "{}: expected the certificate's private key in PEM: {}",
         options.tls_key, *asked ? "it is encrypted with a passphrase" : error.message());
  }
  return context;
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(ServerOptions options)
      : state_(std::move(options)),
        most_connections_(state_.options().max_connections),
        tls_(tls_context(state_.options())),
        acceptor_(accept_io_) {
    const tcp::endpoint endpoint = endpoint_of(accept_io_, state_.options());
    try {
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen(4096);
    } catch (const boost::system::system_error& error) {
      fail(ErrorCode::kIo, kWhere, "cannot listen on {} port {}: {}", state_.options().host,
           state_.options().port, error.code().message());
    }
    for (int64_t i = 0; i < state_.options().io_threads; ++i) {
      shards_.push_back(std::make_unique<Shard>());
    }
  }

  ~Impl() { stop(); }

  // Workers too: what they have done goes back to an I/O thread's queue.
  void stop() {
    accept_io_.stop();
    for (const auto& shard : shards_) shard->io.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    state_.end_workers();
  }

  int port() const { return acceptor_.local_endpoint().port(); }
  ServerState& state() { return state_; }
  void limit_connections(int64_t most) { most_connections_ = std::min(most_connections_, most); }

  void start() {
    asio::co_spawn(accept_io_, accept(), asio::detached);
    threads_.emplace_back([this] { accept_io_.run(); });
    for (const auto& shard : shards_) {
      threads_.emplace_back([io = &shard->io] {
        const auto work = asio::make_work_guard(*io);
        io->run();
      });
    }
  }

  void drain() {
    state_.set_draining();
    const auto end = std::chrono::steady_clock::now() + state_.options().drain_timeout;
    const auto wait = [&](std::chrono::steady_clock::time_point until) {
      while (state_.calls.load() > 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    };
    wait(end);
    state_.ending.store(true);
    for (const auto& shard : shards_) {
      asio::post(shard->io, [all = &shard->wires] {
        for (Wire* wire : *all) wire->make_room();
      });
    }
    wait(std::chrono::steady_clock::now() + std::chrono::seconds(2));
  }

 private:
  Task<> accept() {
    size_t next = 0;
    const SteadyClock clock;
    Seldom failures(clock, kBetweenFailures);
    while (true) {
      Shard& shard = *shards_[next++ % shards_.size()];
      boost::system::error_code error;
      tcp::socket socket(shard.io);
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (error) {
        // Out of descriptors, most of all: wait for some to come back.
        if (failures.due()) spdlog::warn("accept: {}", error.message());
        asio::steady_timer timer(accept_io_, std::chrono::milliseconds(50));
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (state_.connections.load() >= most_connections_) continue;  // closed
      state_.connections.fetch_add(1);
      asio::co_spawn(shard.io, serve(std::move(socket), shard), asio::detached);
    }
  }

  Task<> serve(tcp::socket socket, Shard& shard) {
    const CountBack count(state_.connections);
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // The kernel would take megabytes for a client that reads nothing. What is on its way does not
    // count, so fast clients far away are as fast as before.
    using MostUnsent = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
    socket.set_option(MostUnsent(kMostUnsent), ignored);
    if (tls_) {
      co_await serve_tls(std::move(socket), *tls_, state_, shard);
    } else {
      co_await serve_plain(std::move(socket), state_, shard);
    }
  }

  ServerState state_;
  int64_t most_connections_;
  std::unique_ptr<asio::ssl::context> tls_;
  asio::io_context accept_io_{1};
  tcp::acceptor acceptor_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return impl_->port(); }
void HttpServer::limit_connections(int64_t most) { impl_->limit_connections(most); }
ServerState& HttpServer::state() { return impl_->state(); }
void HttpServer::start() { impl_->start(); }
void HttpServer::drain() { impl_->drain(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace ingot
