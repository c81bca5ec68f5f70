// The server: a port, I/O threads, connections. HTTP/1.1 by Boost.Beast, with or without TLS.
#pragma once

#include <memory>

#include "server/server_state.h"

namespace ingot {

class HttpServer {
 public:
  // Binds and listens. Error{kIo} naming the address when the system refuses, or a TLS file that
  // cannot be used.
  explicit HttpServer(ServerOptions options);
  // As stop(). The loop of the model has ended before: it may hold requests that announce
  // themselves here.
  ~HttpServer();

  int port() const;
  ServerState& state();
  // Fewer than max_connections from the start on, as other limits want it. Before start().
  void limit_connections(int64_t most);
  // Answers on threads of its own, from start() on.
  void start();
  // Nothing is answered any more: connections that are left are closed, threads joined. Then what
  // the model is made of may go. The destructor does it too.
  void stop();
  // Any thread. No new work; returns when all requests have ended, or drain_timeout after: then
  // those left have been told so.
  void drain();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
