// One connection: requests read one after the other, each handed to its endpoint.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <set>

#include "server/route.h"
#include "server/server_state.h"
#include "server/wakeup.h"

namespace ingot {

class Wire;

// An I/O thread's own.
struct Shard {
  std::set<Wire*> wires;  // of its connections, which io's end destroys
  boost::asio::io_context io{1};
  WakeupQueue wakeups{io};
};

// Takes back one that was counted, whatever comes in between.
class CountBack {
 public:
  explicit CountBack(std::atomic<int64_t>& count) : count_(count) {}
  ~CountBack() { count_.fetch_sub(1); }
  CountBack(const CountBack&) = delete;
  CountBack& operator=(const CountBack&) = delete;

 private:
  std::atomic<int64_t>& count_;
};

// Until the connection ends; throws nothing.
Task<> serve_plain(boost::asio::ip::tcp::socket socket, ServerState& state, Shard& shard);
Task<> serve_tls(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& tls,
                 ServerState& state, Shard& shard);

}  // namespace ingot
