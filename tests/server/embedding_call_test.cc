#include "server/embedding_call.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/server/embedding_server.h"

namespace ingot {
namespace embedding_call_test {

// A minute at least, so that a hang ends; no test counts on how soon it comes.
void wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000; ++i) {
    if (holds()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "it never held";
}

std::string request(std::string_view body) {
  return fmt::format(
      "POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
}

// Eight texts of 16 tokens: two fit in a step.
const char* const kMany = R"({"input": ["aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa",
  "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa",
  "aaaaaaaaaaaaaaaa"]})";

TEST(EmbeddingCall, WhoIsGoneIsNotComputed) {
  EmbeddingServer server;
  server.model().held.store(true);
  HttpClient client(server.port());
  client.send(request(kMany));
  wait_until([&] { return server.queue().stats().running == 2; });
  HttpClient looks(server.port());
  const Json now = Json::parse(looks.call("GET", "/requests").body());
  EXPECT_EQ(now["count"], 1);
  EXPECT_EQ(now["requests"][0]["endpoint"], "/v1/embeddings");
  EXPECT_EQ(now["requests"][0]["prompt_tokens"], 128);
  EXPECT_EQ(now["requests"][0]["choices"], 8);
  EXPECT_EQ(now["sequences"], Json({{"running", 2}, {"waiting", 6}, {"paused", 0}}));
  client.reset();
  size_t count = 1;
  wait_until([&] {
    server.server().state().live.oldest(1, count);
    return count == 0;
  });
  server.model().held.store(false);
  server.model().held.notify_all();
  wait_until([&] { return server.queue().stats().requests_cancelled == 1; });
  EXPECT_EQ(server.queue().stats().steps, 1);
  HttpClient next(server.port());
  EXPECT_EQ(next.call("POST", "/v1/embeddings", R"({"input": "a"})").result_int(), 200U);
}

TEST(EmbeddingCall, AFullQueueAndADeadline) {
  EmbeddingServerOptions options;
  options.queue.max_queued_requests = 1;
  options.server.request_timeout = std::chrono::hours(1);
  EmbeddingServer server(options);
  server.model().held.store(true);
  HttpClient running(server.port()), waiting(server.port()), refused(server.port());
  running.send(request(R"({"input": "a"})"));
  wait_until([&] { return server.queue().stats().running == 1; });
  waiting.send(request(R"({"input": "b"})"));
  wait_until([&] { return server.queue().stats().queued_requests == 1; });
  refused.send(request(R"({"input": "c"})"));
  const HttpAnswer answer = refused.read();
  EXPECT_EQ(answer.result_int(), 429U) << answer.body();
  EXPECT_FALSE(answer["Retry-After"].empty());
  // The step at work may end after the deadline: what it made is given out.
  server.clock().advance(std::chrono::hours(2));
  server.model().held.store(false);
  server.model().held.notify_all();
  EXPECT_EQ(running.read().result_int(), 200U);
  EXPECT_EQ(waiting.read().result_int(), 504U);
}

TEST(EmbeddingCall, TheServersEnd) {
  EmbeddingServer server;
  server.model().held.store(true);
  HttpClient client(server.port());
  client.send(request(R"({"input": "a"})"));
  wait_until([&] { return server.queue().stats().running == 1; });
  server.server().state().ending.store(true);
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.result_int(), 503U);
  EXPECT_NE(answer.body().find("shutting down"), std::string::npos);
}

// Each of many callers at once gets the vectors of its own texts.
TEST(EmbeddingCall, ManyCallersShareSteps) {
  EmbeddingServer server;
  std::vector<std::thread> callers;
  callers.reserve(6);
  std::atomic<int> right{0};
  for (int t = 0; t < 6; ++t) {
    callers.emplace_back([&, t] {
      HttpClient client(server.port());
      for (int i = 0; i < 20; ++i) {
        const int id = t * 20 + i;  // [id, id] and [id]: (2, id, id, 2 id) and (1, id, id, 2 id)
        const Json found =
            Json::parse(client
                            .call("POST", "/v1/embeddings",
                                  fmt::format(R"({{"input": [[{0}, {0}], [{0}]]}})", id))
                            .body());
        const auto number = [&](int text, int column) {
          return found["data"][static_cast<size_t>(text)]["embedding"][static_cast<size_t>(column)]
              .get<double>();
        };
        right += std::abs(number(0, 1) * 2 - number(0, 0) * id) < 1e-4 &&
                 std::abs(number(1, 1) - number(1, 0) * id) < 1e-4;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right.load(), 120);
}

}  // namespace embedding_call_test
}  // namespace ingot
