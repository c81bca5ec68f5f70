// One connection: requests read one after the other, each handed to its endpoint.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "server/route.h"
#include "server/server_state.h"
#include "server/wakeup.h"

namespace ingot {

// An I/O thread's own.
struct Shard {
  boost::asio::io_context io{1};
  WakeupQueue wakeups{io};
};

// Counts itself out of ServerState::connections.
class ConnectionCount {
 public:
  explicit ConnectionCount(ServerState& state) : state_(state) {}
  ~ConnectionCount() { state_.connections.fetch_sub(1); }
  ConnectionCount(const ConnectionCount&) = delete;
  ConnectionCount& operator=(const ConnectionCount&) = delete;

 private:
  ServerState& state_;
};

// Until the connection ends; throws nothing.
Task<> serve_plain(boost::asio::ip::tcp::socket socket, ServerState& state, Shard& shard);
Task<> serve_tls(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& tls,
                 ServerState& state, Shard& shard);

}  // namespace ingot
