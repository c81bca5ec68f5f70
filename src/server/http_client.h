// A client of HTTP/1.1 servers, over TLS too: for load generators and for talking to other servers.
// Asynchronous, on the thread of its io_context alone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/route.h"

namespace ingot {

struct HttpUrl {
  bool tls = false;
  std::string host;  // IPv6 without brackets
  int port = 0;
  std::string path;  // in front of every path of a request; without a slash at its end
  // "host:port" as the Host header has it, without the port that the scheme has anyway.
  std::string authority() const;
};
// "http://host[:port][/path]", or https. Error{kInvalidArgument} naming what is wrong.
HttpUrl parse_http_url(std::string_view text);

struct ClientOptions {
  std::string api_key;                                // shown as a bearer
  std::string ca_file;                                // PEM; empty: what the system trusts
  std::chrono::milliseconds quiet_timeout{0};         // of an answer without a byte; 0: none
  std::chrono::milliseconds connect_timeout{10'000};  // with the TLS handshake
};

// Where clients connect to. Immutable; outlives its clients.
class HttpTarget {
 public:
  // Looks the host's name up. Error{kIo} when there is none, or the CA file cannot be used.
  HttpTarget(HttpUrl url, ClientOptions options);
  ~HttpTarget();
  const HttpUrl& url() const { return url_; }
  const ClientOptions& options() const { return options_; }

 private:
  friend class ClientConnection;
  struct Addresses;
  HttpUrl url_;
  ClientOptions options_;
  std::unique_ptr<Addresses> addresses_;
};

// Why there is no whole answer.
enum class ClientFault {
  kNone,
  kRefused,       // nobody listens there
  kConnect,       // no route, no descriptor, too slow
  kTls,           // the handshake or the certificate
  kTimeout,       // quiet_timeout
  kDisconnected,  // the server went away in between
  kMalformed,     // the bytes are no HTTP
  kStopped        // stop(), or on_bytes had enough
};
std::string_view client_fault_name(ClientFault fault);

struct ClientRequest {
  std::string_view method = "GET";
  std::string path;
  std::string body;  // JSON; none when empty
};

struct ClientAnswer {
  ClientFault fault = ClientFault::kNone;
  std::string message;  // of the fault
  int status = 0;       // 0: no head came
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;                                      // what on_bytes did not get
  std::string_view header(std::string_view name) const;  // any case; empty without one
};

// Sees the body of an answer of status 200 as it comes. False: enough. An empty one: it is kept.
using OnBytes = std::function<bool(std::string_view bytes)>;

// One connection: made when it is needed, kept for the next call where the server keeps it.
class ClientConnection {
 public:
  ClientConnection(boost::asio::io_context& io, const HttpTarget& target);
  ~ClientConnection();  // no call may run
  ClientConnection(ClientConnection&&) = default;

  // One call at a time. Faults are in the answer; an exception of `on_bytes` comes back. Arguments
  // outlive the task.
  Task<ClientAnswer> call(const ClientRequest& request, const OnBytes& on_bytes);
  Task<ClientAnswer> call(const ClientRequest& request);
  // Ends the call that runs.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ingot
