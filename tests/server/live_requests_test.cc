#include "server/live_requests.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

TEST(LiveRequests, OldestFirstAndCounted) {
  LiveRequests all;
  size_t count = 1;
  EXPECT_TRUE(all.oldest(10, count).empty());
  EXPECT_EQ(count, 0U);
  LiveRequest first(all, "a", "/one");
  {
    LiveRequest second(all, "b", "/two");
    LiveRequest third(all, "c", "/two");
    second.add_prompt(5, 2);
    second.add_prompt(7, 1);
    second.add_output(3);
    second.add_output(1);
    const auto seen = all.oldest(2, count);
    EXPECT_EQ(count, 3U);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].id + seen[1].id, "ab");
    EXPECT_EQ(seen[1].endpoint, "/two");
    EXPECT_EQ(seen[1].prompt_tokens, 12);
    EXPECT_EQ(seen[1].choices, 3);
    EXPECT_EQ(seen[1].output_tokens, 4);
    EXPECT_GE(seen[0].age, seen[1].age);
  }
  EXPECT_EQ(all.oldest(10, count).size(), 1U);
}

TEST(LiveRequests, ManyThreads) {
  LiveRequests all;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    size_t count = 0;
    while (!done.load()) {
      for (const auto& one : all.oldest(100, count)) ASSERT_LE(one.output_tokens, 10);
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        LiveRequest one(all, "id", "/path");
        for (int k = 0; k < 10; ++k) one.add_output(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done.store(true);
  reader.join();
  size_t count = 0;
  all.oldest(1, count);
  EXPECT_EQ(count, 0U);
}

Json look(const OracleServer& server) {
  HttpClient client(server.port());
  const HttpAnswer answer = client.call("GET", "/requests");
  EXPECT_EQ(answer.result_int(), 200U);
  return Json::parse(answer.body());
}

// The first answer of GET /requests of which `holds` is true. It has a minute at least, so that a
// hang ends.
Json look_until(const OracleServer& server, const std::function<bool(const Json&)>& holds) {
  Json out;
  for (int i = 0; i < 6000; ++i) {
    out = look(server);
    if (holds(out)) return out;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "it never held; last: " << out.dump();
  return out;
}

TEST(LiveRequests, AreListedWhileTheyAreAnswered) {
  OracleServerOptions options;
  options.context = 1 << 15;
  options.pages = 2100;  // room for one of the two
  options.rows = 1;
  OracleServer server(options);
  // Its clients do not read: slow enough that the connection takes all that comes for long.
  server.model().on_collect = [](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  const std::string body =
      R"({"prompt": "a secret", "max_tokens": 30000, "ignore_eos": true, "stream": true})";
  const std::string request = fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
  HttpClient first(server.port()), second(server.port());
  first.send(request);
  look_until(server, [](const Json& now) { return now["count"] == 1; });
  second.send(request);
  const Json now = look_until(server, [](const Json& found) {
    return found["count"] == 2 && found["requests"][0]["state"] == "running" &&
           found["queue"]["requests"] == 1;
  });
  const Json& one = now["requests"][0];
  EXPECT_EQ(one["endpoint"], "/v1/completions");
  EXPECT_TRUE(one["id"].get<std::string>().starts_with("req_"));
  EXPECT_EQ(one["prompt_tokens"], 8);
  EXPECT_EQ(one["choices"], 1);
  EXPECT_GT(one["output_tokens"], 0);
  EXPECT_GT(one["age_ms"], 0.0);
  const Json& other = now["requests"][1];
  EXPECT_EQ(other["state"], "waiting");
  EXPECT_EQ(other["output_tokens"], 0);
  EXPECT_EQ(now["sequences"]["running"], 1);
  EXPECT_GT(now["kv_pages"][0]["used"], 0);
  EXPECT_EQ(now.dump().find("secret"), std::string::npos);
  const int64_t before = one["output_tokens"];
  look_until(server,
             [&](const Json& found) { return found["requests"][0]["output_tokens"] > before; });
  first.reset();
  look_until(server, [&](const Json& found) {
    return found["count"] == 1 && found["requests"][0]["id"] == other["id"];
  });
  second.reset();
  look_until(server, [](const Json& found) { return found["count"] == 0; });
}

// The page and the figures are there before the model is.
TEST(LiveRequests, WhileTheModelLoads) {
  ServerOptions options;
  options.port = 0;
  HttpServer server(options);
  server.start();
  HttpClient client(server.port());
  EXPECT_EQ(client.call("GET", "/").result_int(), 200U);
  EXPECT_EQ(client.call("GET", "/v1/models").result_int(), 503U);
  const Json now = Json::parse(client.call("GET", "/requests").body());
  EXPECT_EQ(now, Json({{"status", "loading"}, {"count", 0}, {"requests", Json::array()}}));
  server.state().set_draining();
  HttpClient other(server.port());
  EXPECT_EQ(Json::parse(other.call("GET", "/requests").body())["status"], "draining");
}

}  // namespace
}  // namespace ingot
