// The client against the oracle's server, and against servers that misbehave byte by byte.
#include "server/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>

#include "server/sse_parser.h"
#include "tests/server/oracle_server.h"

namespace ingot {
namespace http_client_test {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;

HttpTarget target_of(int port, ClientOptions options = {}) {
  return HttpTarget(parse_http_url(fmt::format("http://127.0.0.1:{}", port)), std::move(options));
}

// Arguments outlive the task.
Task<std::vector<ClientAnswer>> calls_in_turn(ClientConnection& client,
                                              const std::vector<ClientRequest>& requests,
                                              const OnBytes* on_bytes) {
  std::vector<ClientAnswer> out;
  for (const ClientRequest& request : requests) {
    if (on_bytes) {
      ClientAnswer answer = co_await client.call(request, *on_bytes);
      out.push_back(std::move(answer));
    } else {
      ClientAnswer answer = co_await client.call(request);
      out.push_back(std::move(answer));
    }
  }
  co_return out;
}

std::vector<ClientAnswer> call_all(const HttpTarget& target,
                                   const std::vector<ClientRequest>& requests,
                                   const OnBytes* on_bytes = nullptr) {
  asio::io_context io;
  ClientConnection client(io, target);
  auto answers = asio::co_spawn(io, calls_in_turn(client, requests, on_bytes), asio::use_future);
  io.run();
  return answers.get();
}

ClientAnswer call(const HttpTarget& target, const ClientRequest& request = {"GET", "/", ""},
                  const OnBytes* on_bytes = nullptr) {
  return call_all(target, {request}, on_bytes)[0];
}

// Answers each connection with the next of `scripts`, once a head came, and closes.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> scripts, bool stay = false)
      : acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}),
        thread_([this, scripts = std::move(scripts), stay] {
          for (const std::string& script : scripts) {
            tcp::socket socket = acceptor_.accept();
            std::string head;
            boost::system::error_code error;
            asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n", error);
            heads_ += head;
            asio::write(socket, asio::buffer(script), error);
            char byte = 0;
            if (stay) socket.read_some(asio::buffer(&byte, 1), error);
            socket.close();
            ++closed_;
            closed_.notify_all();
          }
        }) {}
  ~ScriptedServer() { thread_.join(); }
  int port() const { return acceptor_.local_endpoint().port(); }
  // Behind the last answer.
  const std::string& heads() const { return heads_; }
  // Until so many connections have been closed.
  void await_closed(int count) const {
    for (int now = closed_; now < count; now = closed_) closed_.wait(now);
  }

 private:
  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::string heads_;
  std::atomic<int> closed_{0};
  std::thread thread_;
};

TEST(HttpUrl, Parts) {
  const auto parts = [](std::string_view text) {
    const HttpUrl url = parse_http_url(text);
    return fmt::format("{} {} {} {}", url.tls ? "tls" : "plain", url.host, url.port, url.path);
  };
  EXPECT_EQ(parts("http://127.0.0.1:8000"), "plain 127.0.0.1 8000 ");
  EXPECT_EQ(parts("HTTP://a.b/"), "plain a.b 80 ");
  EXPECT_EQ(parts("https://a.b/x/y//"), "tls a.b 443 /x/y");
  EXPECT_EQ(parts("http://[::1]:9/v"), "plain ::1 9 /v");
  EXPECT_EQ(parse_http_url("http://[::1]:9").authority(), "[::1]:9");
  EXPECT_EQ(parse_http_url("http://a").authority(), "a");
  EXPECT_EQ(parse_http_url("http://a:443").authority(), "a:443");
  EXPECT_EQ(parse_http_url("https://[::1]:443/v1").authority(), "[::1]");
  for (const char* wrong :
       {"", "localhost:8000", "ftp://a", "http://", "http://a:0", "http://a:65536", "http://a:1x",
        "http://a:", "http://u@a", "http://a/?q", "http://a b", "http://[::1", "http://[::1]9"}) {
    EXPECT_THROW(parse_http_url(wrong), Error) << wrong;
  }
}

TEST(ClientConnection, CallsShareAConnection) {
  OracleServerOptions options;
  options.server.api_keys = {"secret"};
  OracleServer server(options);
  const HttpTarget target = target_of(server.port(), {.api_key = "secret"});
  const std::string body = R"({"prompt":"a","max_tokens":3,"ignore_eos":true})";
  const auto answers = call_all(target, {{"GET", "/v1/models", ""},
                                         {"POST", "/v1/completions", body},
                                         {"HEAD", "/health", ""},
                                         {"GET", "/nothing", ""}});
  EXPECT_EQ(Json::parse(answers[0].body)["data"][0]["id"], "oracle");
  EXPECT_EQ(Json::parse(answers[1].body)["usage"]["completion_tokens"], 3);
  EXPECT_EQ(answers[1].header("CONTENT-TYPE"), "application/json");
  EXPECT_EQ(answers[2].status, 200);
  EXPECT_TRUE(answers[2].body.empty());
  EXPECT_EQ(answers[3].status, 404);
  EXPECT_THAT(answers[3].body, HasSubstr("error"));
  for (int i = 0; i < 6000 && server.server().state().connections.load() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(server.server().state().connections.load(), 0) << "closed with the client";
  EXPECT_EQ(call(target_of(server.port()), {"GET", "/v1/models", ""}).status, 401);
}

TEST(ClientConnection, StreamsComeAsTheyAreMade) {
  OracleServer server;
  const HttpTarget target = target_of(server.port());
  const ClientRequest request = {
      "POST", "/v1/completions",
      R"({"prompt":"a","max_tokens":100,"ignore_eos":true,"stream":true})"};
  SseParser parser;
  std::vector<std::string> events;
  const OnBytes on_bytes = [&](std::string_view bytes) {
    parser.feed(bytes, [&](const SseEvent& event) { events.emplace_back(event.data); });
    return true;
  };
  const ClientAnswer answer = call(target, request, &on_bytes);
  EXPECT_EQ(answer.fault, ClientFault::kNone) << answer.message;
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_GT(events.size(), 50U);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_TRUE(parser.at_boundary());
  EXPECT_TRUE(answer.body.empty());
}

TEST(ClientConnection, FaultsAreTold) {
  int closed_port = 0;
  {
    asio::io_context io;
    tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
    closed_port = acceptor.local_endpoint().port();
  }
  EXPECT_EQ(call(target_of(closed_port)).fault, ClientFault::kRefused);
  const std::string head = "HTTP/1.1 200 OK\r\n";
  ScriptedServer server({"", "HTTP/1.1 2", head + "Content-Length: 5\r\n\r\nabc",
                         head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                         head + "Transfer-Encoding: chunked\r\n\r\nx\r\n", "SMTP ready\r\n\r\n"});
  for (int i = 0; i < 4; ++i) {
    const ClientAnswer answer = call(target_of(server.port()));
    EXPECT_EQ(answer.fault, ClientFault::kDisconnected) << i << " " << answer.message;
    EXPECT_EQ(answer.body, i < 2 ? "" : "abc") << i;
  }
  for (int i = 0; i < 2; ++i) {
    const ClientAnswer answer = call(target_of(server.port()));
    EXPECT_EQ(answer.fault, ClientFault::kMalformed) << i << " " << answer.message;
  }
}

TEST(ClientConnection, ABodyMayEndWithTheConnection) {
  ScriptedServer server({"HTTP/1.0 200 OK\r\n\r\nabc"});
  const ClientAnswer answer = call(target_of(server.port()));
  EXPECT_EQ(answer.fault, ClientFault::kNone) << answer.message;
  EXPECT_EQ(answer.body, "abc");
}

TEST(ClientConnection, ClosedConnectionsAreMadeAnew) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
  ScriptedServer server({answer, answer, answer});
  const HttpTarget target = target_of(server.port());
  asio::io_context io;
  ClientConnection client(io, target);
  const std::vector<ClientRequest> requests = {{"GET", "/", ""}};
  for (int i = 0; i < 3; ++i) {
    auto answers = asio::co_spawn(io, calls_in_turn(client, requests, nullptr), asio::use_future);
    io.restart();
    io.run();
    EXPECT_EQ(answers.get()[0].body, "a") << i;
    server.await_closed(i + 1);  // its end has come before the next call
  }
}

TEST(ClientConnection, SilenceHasABound) {
  ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"}, true);
  ClientOptions options;
  options.quiet_timeout = std::chrono::seconds(2);  // for the answer's part to come
  const ClientAnswer answer = call(target_of(server.port(), options));
  EXPECT_EQ(answer.fault, ClientFault::kTimeout);
  EXPECT_EQ(answer.body, "abc");
}

TEST(ClientConnection, StopEndsACall) {
  ScriptedServer server({""}, true);
  const HttpTarget target = target_of(server.port());
  asio::io_context io;
  ClientConnection client(io, target);
  const std::vector<ClientRequest> requests = {{"GET", "/", ""}};
  auto answers = asio::co_spawn(io, calls_in_turn(client, requests, nullptr), asio::use_future);
  asio::steady_timer timer(io, std::chrono::milliseconds(50));
  timer.async_wait([&](const boost::system::error_code&) { client.stop(); });
  io.run();
  EXPECT_EQ(answers.get()[0].fault, ClientFault::kStopped);
}

TEST(ClientConnection, ReadersMayHaveEnough) {
  const std::string script =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
  ScriptedServer server({script, script});
  const HttpTarget target = target_of(server.port());
  std::string seen;
  const OnBytes enough = [&](std::string_view bytes) {
    seen += bytes;
    return false;
  };
  EXPECT_EQ(call(target, {"GET", "/", ""}, &enough).fault, ClientFault::kStopped);
  EXPECT_EQ(seen, "a");
  const OnBytes throws = [](std::string_view) -> bool { throw std::runtime_error("no more"); };
  EXPECT_THROW(call(target, {"GET", "/", ""}, &throws), std::runtime_error);
}

TEST(ClientConnection, PathsKeysAndHosts) {
  std::string port;
  {
    ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
    port = std::to_string(server.port());
    const HttpTarget target(parse_http_url("http://localhost:" + port + "/base/"),
                            {.api_key = "secret"});
    EXPECT_EQ(call(target, {"POST", "/v1/x", "{}"}).status, 200);
    EXPECT_THAT(server.heads(), testing::StartsWith("POST /base/v1/x HTTP/1.1\r\n"));
    EXPECT_THAT(server.heads(), HasSubstr("Host: localhost:" + port + "\r\n"));
    EXPECT_THAT(server.heads(), HasSubstr("Authorization: Bearer secret\r\n"));
    EXPECT_THAT(server.heads(), HasSubstr("Content-Length: 2\r\n"));
  }
  EXPECT_THROW(HttpTarget(parse_http_url("http://no.such.host.invalid"), {}), Error);
}

}  // namespace http_client_test
}  // namespace ingot
