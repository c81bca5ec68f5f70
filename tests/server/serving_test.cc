// Connections, streams and the server's end, by clients of the oracle's server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/progress.h"
#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

std::string stream_body(const std::string& prompt, int tokens, bool stream = true) {
  return Json{{"prompt", prompt},   {"max_tokens", tokens}, {"temperature", 0},        {"seed", 0},
              {"ignore_eos", true}, {"stream", stream},     {"return_token_ids", true}}
      .dump();
}

// The token ids of a stream's events, in order; expects one end and [DONE] behind it.
std::vector<TokenId> ids_of(const std::string& body) {
  std::vector<TokenId> out;
  std::stringstream lines(body);
  int ends = 0;
  bool done = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("data: ")) continue;
    EXPECT_FALSE(done);
    done = line == "data: [DONE]";
    if (done) continue;
    const Json event = Json::parse(line.substr(6));
    const Json& choice = event.at("choices").at(0);
    ends += choice.at("finish_reason").is_null() ? 0 : 1;
    if (choice.contains("token_ids")) {
      for (const Json& id : choice["token_ids"]) out.push_back(id);
    }
  }
  EXPECT_TRUE(done);
  EXPECT_EQ(ends, 1);
  return out;
}

std::vector<TokenId> oracle_ids(const OracleServer& server, const std::string& prompt, int count) {
  std::vector<TokenId> tokens(prompt.begin(), prompt.end());
  for (int i = 0; i < count; ++i) {
    tokens.push_back(oracle_next(server.served().loop->limits(), tokens, 0, 0));
  }
  return {tokens.begin() + static_cast<std::ptrdiff_t>(prompt.size()), tokens.end()};
}

// A minute at least, so that a hang ends; no test counts on how soon it comes.
void wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000 && !holds(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(holds()) << "not within a minute";
}

bool idle(const OracleServer& server) {
  const LoopStats stats = server.served().loop->stats();
  return stats.running + stats.waiting + stats.paused + stats.queued_requests == 0;
}

TEST(Serving, ManyStreamsAreEachTheirOwn) {
  OracleServer server;
  constexpr int kClients = 32, kTokens = 64;
  std::vector<std::thread> clients(kClients);
  std::vector<std::string> bodies(kClients);
  for (int c = 0; c < kClients; ++c) {
    clients[static_cast<size_t>(c)] = std::thread([&, c] {
      HttpClient client(server.port());
      const HttpAnswer answer = client.call("POST", "/v1/completions",
                                            stream_body("prompt " + std::to_string(c), kTokens));
      bodies[static_cast<size_t>(c)] = answer.body();
    });
  }
  for (std::thread& client : clients) client.join();
  for (int c = 0; c < kClients; ++c) {
    EXPECT_EQ(ids_of(bodies[static_cast<size_t>(c)]),
              oracle_ids(server, "prompt " + std::to_string(c), kTokens));
  }
}

TEST(Serving, ConnectionsAreKeptAndPipelined) {
  OracleServer server;
  HttpClient client(server.port());
  EXPECT_EQ(client.call("GET", "/livez").result_int(), 200);
  EXPECT_EQ(client.call("GET", "/nothing").result_int(), 404);
  EXPECT_EQ(client.call("POST", "/v1/completions", stream_body("a", 2)).result_int(), 200);
  const std::string one = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(one + one);
  EXPECT_EQ(client.read().result_int(), 200);
  EXPECT_EQ(client.read().result_int(), 200);
  client.send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().result_int(), 200);
  EXPECT_TRUE(client.closed());
}

TEST(Serving, WhoGoesAwayIsCancelled) {
  OracleServerOptions options;
  options.context = 1 << 15;
  options.pages = 4096;
  OracleServer server(options);
  // Each answer takes ten minutes at least: nothing but its client's leaving ends it before.
  server.model().on_collect = [](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  for (const bool stream : {true, false}) {
    HttpClient client(server.port());
    const std::string body = stream_body("a", 30000, stream);
    client.send(
        fmt::format("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: "
                    "application/json\r\nContent-Length: {}\r\n\r\n{}",
                    body.size(), body));
    wait_until([&] { return !idle(server); });
    client.reset();
    wait_until([&] { return idle(server); });
  }
  EXPECT_EQ(server.loop().stats().requests_cancelled, 2);
}

std::string post(const std::string& body) {
  return fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
}

// Its pages go to others, and it misses nothing when it reads again.
TEST(Serving, WhoDoesNotReadIsWaitedFor) {
  OracleServerOptions options;
  options.context = 1 << 15;
  options.pages = 4096;
  options.server.write_timeout = std::chrono::hours(1);
  OracleServer server(options);
  HttpClient client(server.port());
  client.send(post(stream_body("a", 8000)));
  const auto stats = [&] { return server.loop().stats(); };
  wait_until([&] { return stats().paused == 1; });
  wait_until([&] { return stats().pages[0].used == 0; });
  EXPECT_EQ(stats().running + stats().waiting, 0);
  HttpClient other(server.port());
  EXPECT_EQ(ids_of(other.call("POST", "/v1/completions", stream_body("b", 50)).body()),
            oracle_ids(server, "b", 50));
  EXPECT_EQ(stats().paused, 1);
  EXPECT_EQ(ids_of(client.read().body()), oracle_ids(server, "a", 8000));
  EXPECT_GT(stats().pauses, 0);
  wait_until([&] { return idle(server); });
}

TEST(Serving, WhoReadsNothingForLongIsCancelled) {
  OracleServerOptions options;
  options.context = 1 << 15;
  options.pages = 4096;
  options.server.write_timeout = std::chrono::milliseconds(200);
  OracleServer server(options);
  HttpClient client(server.port());
  client.send(post(stream_body("a", 30000)));
  wait_until([&] { return server.loop().stats().requests_cancelled == 1 && idle(server); });
  EXPECT_EQ(server.loop().stats().paused, 0);
}

// Events of 1000 tokens may wait, though the socket takes the text of a few hundred.
TEST(Serving, WhoReadsLateFindsAll) {
  OracleServerOptions options;
  options.context = 2048;
  OracleServer server(options);
  HttpClient client(server.port());
  client.send(post(stream_body("a", 1000)));
  wait_until([&] { return server.loop().stats().requests_finished == 1; });
  EXPECT_EQ(ids_of(client.read().body()), oracle_ids(server, "a", 1000));
}

// The value of a metric without labels of its own.
double metric(const OracleServer& server, const std::string& name) {
  HttpClient client(server.port());
  const std::string text = "\n" + client.call("GET", "/metrics").body();
  const std::string line = "\n" + name + "{model_name=\"oracle\"} ";
  const size_t at = text.find(line);
  EXPECT_NE(at, text.npos) << name;
  return at == text.npos ? -1 : std::stod(text.substr(at + line.size()));
}

TEST(Serving, MetricsOfARequestsPhases) {
  OracleServerOptions options;
  options.rows = 1;
  options.server.vllm_metrics = true;
  OracleServer server(options);
  // Three steps each, of 20 ms at least: the second request waits for the first.
  server.model().on_collect = [](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  HttpClient first(server.port()), second(server.port());
  first.send(post(stream_body("a prompt", 3)));
  wait_until([&] { return server.loop().stats().running == 1; });
  second.send(post(stream_body("a prompt", 3)));
  EXPECT_EQ(ids_of(first.read().body()).size(), 3u);
  EXPECT_EQ(ids_of(second.read().body()).size(), 3u);
  for (const std::string prefix : {"vllm:", "ingot_"}) {
    const auto sum = [&](const std::string& name) {
      return metric(server, prefix + name + "_sum");
    };
    EXPECT_EQ(metric(server, prefix + "request_queue_time_seconds_count"), 2);
    EXPECT_GT(sum("request_queue_time_seconds"), 0);
    EXPECT_GE(sum("request_prefill_time_seconds"), 0.02);
    EXPECT_GE(sum("request_decode_time_seconds"), 0.04);
    EXPECT_NEAR(sum("request_prefill_time_seconds") + sum("request_decode_time_seconds"),
                sum("request_inference_time_seconds"), 1e-3);
    EXPECT_LE(sum("request_inference_time_seconds"), sum("e2e_request_latency_seconds"));
    EXPECT_EQ(sum("request_params_n"), 2);
    EXPECT_EQ(sum("request_params_max_tokens"), 6);
    EXPECT_EQ(metric(server, prefix + "iteration_tokens_total_count"), server.loop().stats().steps);
    EXPECT_EQ(sum("iteration_tokens_total"), 2 * (8 + 2));
  }
}

TEST(Serving, QuietStreamsHavePings) {
  OracleServerOptions options;
  options.server.ping_interval = std::chrono::milliseconds(1);
  OracleServer server(options);
  std::atomic<bool> goes_on{false};
  server.model().on_collect = [&](int64_t) {
    while (!goes_on.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  HttpClient client(server.port());
  client.send(post(stream_body("a", 8)));
  std::string text;
  for (int i = 0; i < 2; ++i) text += client.until("\r\n: ping\n\n");
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("data:")));
  goes_on.store(true);
  EXPECT_EQ(ids_of(client.until("[DONE]\n")), oracle_ids(server, "a", 8));
}

TEST(Serving, BodiesHaveABound) {
  OracleServerOptions options;
  options.server.max_body_bytes = 1000;
  OracleServer server(options);
  const std::string head =
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  {
    HttpClient client(server.port());
    client.send(head + "Content-Length: 1001\r\n\r\n");
    EXPECT_EQ(client.read().result_int(), 413);
    EXPECT_TRUE(client.closed());
  }
  HttpClient client(server.port());
  client.send(head + "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 11; ++i) client.send("64\r\n" + std::string(100, ' ') + "\r\n");
  EXPECT_EQ(client.read().result_int(), 413);
  EXPECT_TRUE(client.closed());
}

TEST(Serving, ExpectContinue) {
  OracleServer server;
  HttpClient client(server.port());
  const std::string body = stream_body("a", 1, false);
  client.send(
      fmt::format("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: "
                  "application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                  body.size()));
  EXPECT_EQ(client.read().result_int(), 100);
  client.send(body);
  EXPECT_EQ(client.read().result_int(), 200);
}

TEST(Serving, AFullQueueIsTold) {
  OracleServerOptions options;
  options.loop.max_queued_requests = 1;
  options.rows = 1;
  options.context = 1 << 15;
  options.pages = 2048;
  OracleServer server(options);
  // Nobody reads what runs: slow enough that the connection takes it all for long.
  server.model().on_collect = [](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  const auto start = [&](HttpClient& client) {
    const std::string body = stream_body("a", 30000);
    client.send(
        fmt::format("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: "
                    "application/json\r\nContent-Length: {}\r\n\r\n{}",
                    body.size(), body));
  };
  HttpClient running(server.port()), waiting(server.port()), third(server.port());
  start(running);
  wait_until([&] { return server.loop().stats().running == 1; });
  start(waiting);
  wait_until([&] { return server.loop().stats().queued_requests == 1; });
  const HttpAnswer answer = third.call("POST", "/v1/completions", stream_body("a", 3));
  EXPECT_EQ(answer.result_int(), 429);
  EXPECT_FALSE(std::string(answer["Retry-After"]).empty());
  EXPECT_EQ(Json::parse(answer.body())["error"]["type"], "rate_limit_error");
}

TEST(Serving, DrainingLetsRequestsEnd) {
  std::atomic<bool> drains{false};
  OracleServer server;
  server.model().on_collect = [&](int64_t step) {  // it is in the middle when draining begins
    while (step > 5 && !drains.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  HttpClient client(server.port());
  std::string streamed;
  std::thread reader(
      [&] { streamed = client.call("POST", "/v1/completions", stream_body("a", 500)).body(); });
  wait_until([&] { return !idle(server); });
  HttpClient other(server.port());
  std::thread drain([&] { server.server().drain(); });
  wait_until([&] { return server.server().state().draining(); });
  drains.store(true);
  reader.join();
  drain.join();
  EXPECT_EQ(ids_of(streamed), oracle_ids(server, "a", 500));
  EXPECT_EQ(other.call("GET", "/readyz").result_int(), 503);
  HttpClient third(server.port());
  EXPECT_EQ(third.call("GET", "/livez").result_int(), 200);
  HttpClient fourth(server.port());
  const HttpAnswer refused = fourth.call("POST", "/v1/completions", stream_body("a", 5));
  EXPECT_EQ(refused.result_int(), 503);
  EXPECT_FALSE(std::string(refused["Retry-After"]).empty());
}

TEST(Serving, TheEndOfDrainingIsAnErrorFrame) {
  OracleServerOptions options;
  options.server.drain_timeout = std::chrono::milliseconds(50);
  options.context = 1 << 20;
  options.pages = 1 << 15;
  OracleServer server(options);
  HttpClient client(server.port());
  std::string streamed;
  std::thread reader(
      [&] { streamed = client.call("POST", "/v1/completions", stream_body("a", 1 << 19)).body(); });
  wait_until([&] { return !idle(server); });
  server.server().drain();
  reader.join();
  EXPECT_THAT(streamed,
              testing::HasSubstr("\"error\":{\"message\":\"the server is shutting down\""));
  EXPECT_THAT(streamed, testing::Not(testing::HasSubstr("[DONE]")));
}

TEST(Serving, StoppingClosesWhatIsLeft) {
  OracleServerOptions options;
  options.context = 1 << 20;
  options.pages = 1 << 15;
  OracleServer server(options);
  HttpClient client(server.port());
  const std::string body = stream_body("a", 1 << 19);
  client.send(
      fmt::format("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: "
                  "application/json\r\nContent-Length: {}\r\n\r\n{}",
                  body.size(), body));
  wait_until([&] { return !idle(server); });
  server.server().stop();
  server.server().state().set_model(nullptr);  // nobody looks at it any more
}

// A body within a body has the same bounds.
TEST(Serving, DeepArgumentsOfCallsAreRefused) {
  OracleServer server;
  const std::string deep = "{\"a\": " + std::string(100000, '[') + std::string(100000, ']') + "}";
  const Json call = {{"function", {{"name", "f"}, {"arguments", deep}}}};
  const Json body = {
      {"messages", Json::array({{{"role", "assistant"}, {"tool_calls", Json::array({call})}}})}};
  HttpClient client(server.port());
  const HttpAnswer answer = client.call("POST", "/v1/chat/completions", body.dump());
  EXPECT_EQ(answer.result_int(), 400);
  EXPECT_THAT(answer.body(), testing::HasSubstr("deeper than"));
}

// Usage in each chunk costs the same whatever the number of choices.
TEST(Serving, UsageOfManyChoicesIsCheap) {
  OracleServer server;
  Json body = {{"prompt", Json::array()}, {"n", 16},
               {"max_tokens", 4},         {"ignore_eos", true},
               {"stream", true},          {"stream_options", {{"continuous_usage_stats", true}}}};
  for (int i = 0; i < 64; ++i) body["prompt"].push_back("prompt " + std::to_string(i));
  HttpClient client(server.port());
  const HttpAnswer answer = client.call("POST", "/v1/completions", body.dump());
  EXPECT_THAT(answer.body(), testing::HasSubstr("\"completion_tokens\":4096"));
  EXPECT_THAT(answer.body(), testing::HasSubstr("[DONE]"));
}

TEST(Serving, DeadlinesEndRequests) {
  OracleServerOptions options;
  options.server.request_timeout = std::chrono::milliseconds(100);
  options.context = 1 << 20;
  options.pages = 1 << 15;
  OracleServer server(options);
  HttpClient client(server.port());
  const HttpAnswer answer =
      client.call("POST", "/v1/completions", stream_body("a", 1 << 19, false));
  EXPECT_EQ(answer.result_int(), 504);
  wait_until([&] { return idle(server); });
}

TEST(Serving, LoadingIsSaid) {
  OracleServer server;
  server.server().state().set_model(nullptr);
  HttpClient client(server.port());
  EXPECT_EQ(client.call("GET", "/livez").result_int(), 200);
  EXPECT_EQ(client.call("GET", "/readyz").result_int(), 503);
  const HttpAnswer answer = client.call("POST", "/v1/completions", stream_body("a", 1));
  EXPECT_EQ(answer.result_int(), 503);
  EXPECT_THAT(answer.body(), testing::HasSubstr("loading"));
  Progress reading("reading engine", 1000, "bytes");
  reading.update(437);
  for (const char* path : {"/health", "/readyz"}) {
    const HttpAnswer share = client.call("GET", path);
    EXPECT_EQ(share.result_int(), 503);
    EXPECT_FALSE(share["retry-after"].empty());
    const Json body = Json::parse(share.body());
    EXPECT_EQ(body["loading"], Json({{"what", "reading engine"},
                                     {"done", 437},
                                     {"total", 1000},
                                     {"unit", "bytes"},
                                     {"share", 0.437}}));
    EXPECT_EQ(body["error"]["message"], "the model is still loading (reading engine, 43 %)");
  }
}

TEST(Serving, OriginsAreAllowedByName) {
  OracleServer without;
  HttpClient first(without.port());
  EXPECT_EQ(
      first.call("GET", "/livez", "", "Origin: http://a\r\n").count("Access-Control-Allow-Origin"),
      0U);
  EXPECT_EQ(first.call("OPTIONS", "/v1/models", "", "Origin: http://a\r\n").result_int(), 405);
  OracleServerOptions options;
  options.server.allowed_origins = {"http://a"};
  options.server.api_keys = {"key"};
  OracleServer server(options);
  HttpClient client(server.port());
  const HttpAnswer allowed = client.call("OPTIONS", "/v1/models", "", "Origin: http://a\r\n");
  EXPECT_EQ(allowed.result_int(), 204);
  EXPECT_EQ(std::string(allowed["Access-Control-Allow-Origin"]), "http://a");
  EXPECT_EQ(
      client.call("GET", "/livez", "", "Origin: http://b\r\n").count("Access-Control-Allow-Origin"),
      0U);
}

TEST(Serving, AddressesThatCannotBeUsed) {
  OracleServer server;
  const auto fault = [](const ServerOptions& options) {
    try {
      HttpServer another(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(fault({.port = server.port()}), testing::HasSubstr("cannot listen"));
  EXPECT_THAT(fault({.host = "no such host", .port = 0}), testing::HasSubstr("no such host"));
  EXPECT_THAT(fault({.port = 0, .tls_certificate = "/no/such", .tls_key = "/no/such"}),
              testing::HasSubstr("/no/such"));
}

TEST(Serving, BodiesShareWhatTheyMayHave) {
  OracleServerOptions options;
  options.server.max_body_memory = 64 << 10;
  OracleServer server(options);
  const auto head = [](size_t bytes) {
    return fmt::format(
        "POST /v1/completions HTTP/1.1\r\nHost: test\r\nContent-Type: "
        "application/json\r\nContent-Length: {}\r\n\r\n",
        bytes);
  };
  // Spaces before the value: a body of 40,000 bytes that asks for little.
  const std::string body = std::string(40'000, ' ') + stream_body("a", 3, false);
  {
    HttpClient slow(server.port());
    slow.send(head(body.size()) + body.substr(0, 39'000));
    wait_until([&] { return server.server().state().body_bytes.load() >= 39'000; });
    HttpClient promises(server.port());
    promises.send(head(60'000));  // a length takes nothing
    HttpClient second(server.port());
    second.send(head(body.size()) + body);
    const HttpAnswer refused = second.read();
    EXPECT_EQ(refused.result_int(), 503u);
    EXPECT_GT(std::stoi(std::string(refused["Retry-After"])), 0);
    EXPECT_EQ(Json::parse(refused.body())["error"]["type"], "unavailable_error");
    slow.send(body.substr(39'000));
    EXPECT_EQ(slow.read().result_int(), 200u);
  }
  HttpClient third(server.port());
  third.send(head(body.size()) + body);
  EXPECT_EQ(third.read().result_int(), 200u);
  wait_until([&] { return server.server().state().body_bytes.load() == 0; });
}

TEST(Serving, OfSeveralPromptsTheOneThatIsTooLongIsNamed) {
  OracleServerOptions options;
  options.context = 100;
  OracleServer server(options);
  HttpClient client(server.port());
  const std::string filler(90, 'a');
  const Json fits = {{"prompt", {filler, filler}}, {"max_tokens", 2}};
  EXPECT_EQ(client.call("POST", "/v1/completions", fits.dump()).result_int(), 200u);
  const Json wrong = {{"prompt", {filler, std::string(130, 'a')}}, {"max_tokens", 2}};
  const HttpAnswer answer = client.call("POST", "/v1/completions", wrong.dump());
  EXPECT_EQ(answer.result_int(), 400u);
  const Json error = Json::parse(answer.body())["error"];
  EXPECT_EQ(error["param"], "prompt[1]");
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_THAT(error["message"].get<std::string>(),
              ::testing::AllOf(::testing::HasSubstr("130"), ::testing::HasSubstr("100")));
}

TEST(Serving, ALargeAnswerIsTheSameAsItsStream) {
  OracleServer server;
  HttpClient client(server.port());
  Json wish = Json::parse(stream_body("large", 500, false));
  wish["logprobs"] = 5;  // thousands of values: written down on a worker
  const HttpAnswer answer = client.call("POST", "/v1/completions", wish.dump());
  ASSERT_EQ(answer.result_int(), 200u);
  const Json choice = Json::parse(answer.body())["choices"][0];
  EXPECT_EQ(choice["token_ids"].get<std::vector<TokenId>>(), oracle_ids(server, "large", 500));
  EXPECT_EQ(choice["logprobs"]["token_logprobs"].size(), 500u);
}

TEST(Serving, AFloodOfOneKeyLeavesAnotherItsShare) {
  OracleServerOptions options;
  options.rows = 2;
  options.server.api_keys = {"flood", "few"};
  options.loop.max_queued_requests = 150;
  options.loop.share_queue = true;
  // The first step waits until all have asked; then there are as many as ten answers take, one
  // behind the other. By arrival the flood's 75 would take 2400, two at a time.
  constexpr int64_t kSteps = 640;
  std::atomic<bool> began{false}, begins{false}, ends{false};
  std::atomic<int64_t> steps{0};
  OracleServer server(options);
  server.model().on_collect = [&](int64_t) {
    began.store(true);
    while (!begins.load() || (steps.load() == kSteps && !ends.load())) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ++steps;
  };
  const auto send = [&](const std::string& key) {
    auto client = std::make_unique<HttpClient>(server.port());
    const std::string body = stream_body(key, 64);
    client->send(
        fmt::format("POST /v1/completions HTTP/1.1\r\nHost: test\r\nx-api-key: {}\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    key, body.size(), body));
    return client;
  };
  std::vector<std::unique_ptr<HttpClient>> flood, few;
  const auto queued = [&] { return server.served().loop->stats().queued_requests; };
  flood.push_back(send("flood"));
  wait_until([&] { return began.load(); });
  while (flood.size() < 100) flood.push_back(send("flood"));
  // Half of the queue; the others were refused.
  wait_until(
      [&] { return queued() == 75 && server.served().loop->stats().requests_overloaded == 24; });
  for (int i = 0; i < 3; ++i) few.push_back(send("few"));
  wait_until([&] { return queued() == 78; });
  begins.store(true);
  std::atomic<int> read{0};
  std::thread reader([&] {
    for (const auto& client : few) {
      EXPECT_EQ(ids_of(client->read().body()).size(), 64u);
      ++read;
    }
  });
  wait_until([&] { return read.load() == 3; });
  EXPECT_GT(queued(), 0);
  ends.store(true);
  reader.join();
}

}  // namespace
}  // namespace ingot
