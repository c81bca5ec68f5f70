// Who waits for the thread that compiles, and how long: the queue alone, and behind HTTP.
#include "server/compile_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "server/api_error.h"
#include "server/call.h"
#include "tests/server/inline_model.h"
#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Places = std::vector<std::unique_ptr<CompileQueue::Place>>;

// A minute at least, so that a hang ends; no test counts on how soon it comes.
void wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000 && !holds(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(holds());
}

// The queue's thread does nothing else from the constructor to release().
class Held {
 public:
  explicit Held(CompileQueue& queue, uint64_t tenant = 99) {
    const auto began = std::make_shared<std::promise<void>>();
    const auto ended = std::make_shared<std::promise<void>>();
    ended_ = ended->get_future();
    place_ = queue.enter(
        tenant,
        [began, gate = gate_.get_future().share()] {
          began->set_value();
          gate.wait();
        },
        [ended] { ended->set_value(); });
    began->get_future().wait();
  }
  ~Held() { release(); }
  void release() {
    if (place_ == nullptr) return;
    gate_.set_value();
    ended_.wait();
    place_.reset();
  }

 private:
  std::promise<void> gate_;
  std::future<void> ended_;
  std::unique_ptr<CompileQueue::Place> place_;
};

// Behind all that waits for it when it is called.
void flush(CompileQueue& queue) {
  const auto ended = std::make_shared<std::promise<void>>();
  const auto place = queue.enter(
      1234, [] {}, [ended] { ended->set_value(); });
  ASSERT_NE(place, nullptr);
  ended->get_future().wait();
}

TEST(CompileQueue, TenantsTakeTurns) {
  CompileQueue queue;
  std::vector<std::string> order;  // of the queue's thread until flush() is over
  Places places;
  const auto enter = [&](uint64_t tenant, const std::string& name) {
    places.push_back(queue.enter(
        tenant, [&order, name] { order.push_back(name); }, [] {}));
    ASSERT_NE(places.back(), nullptr);
  };
  {
    Held held(queue);
    for (const auto& [tenant, name] : std::vector<std::pair<uint64_t, std::string>>{
             {1, "a1"}, {1, "a2"}, {1, "a3"}, {2, "b1"}, {3, "c1"}, {2, "b2"}}) {
      enter(tenant, name);
    }
    EXPECT_EQ(queue.waiting(), 6u);
  }
  wait_until([&] { return places[2]->ended(); });
  EXPECT_THAT(order, ElementsAre("a1", "b1", "c1", "a2", "b2", "a3"));
  order.clear();
  {
    Held held(queue, 1);  // whose job is under way has had its turn
    enter(1, "a4");
    enter(1, "a5");
    enter(2, "b3");
  }
  wait_until([&] { return places[7]->ended(); });
  EXPECT_THAT(order, ElementsAre("b3", "a4", "a5"));
  for (const auto& place : places) EXPECT_TRUE(place->ended());
}

TEST(CompileQueue, OrderIsThatOfBeingDone) {
  CompileQueue queue;
  std::vector<std::string> done;  // of the queue's thread until it has ended
  std::vector<std::string> expected;
  Places places;
  const auto enter = [&](uint64_t tenant, const std::string& name) {
    places.push_back(queue.enter(
        tenant, [&done, name] { done.push_back(name); }, [] {}, name));
    ASSERT_NE(places.back(), nullptr);
  };
  EXPECT_THAT(queue.order(), ElementsAre());
  {
    Held held(queue, 1);  // whose name is empty
    for (const auto& [tenant, name] : std::vector<std::pair<uint64_t, std::string>>{
             {1, "a1"}, {2, "b1"}, {2, "b2"}, {1, "a2"}, {3, "c1"}, {2, "b3"}, {3, "c2"}}) {
      enter(tenant, name);
    }
    places[4].reset();  // c1 leaves
    expected = queue.order();
    ASSERT_EQ(expected.size(), 7u);
    EXPECT_EQ(expected[0], "");
    expected.erase(expected.begin());
  }
  wait_until([&] { return queue.order().empty(); });
  EXPECT_EQ(done, expected);
  EXPECT_THAT(done, ElementsAre("b1", "c2", "a1", "b2", "a2", "b3"));
}

TEST(CompileQueue, ATenantHasNoMoreThanItLeavesFree) {
  for (const bool shared : {true, false}) {
    CompileQueue queue({.most_waiting = 8, .shared = shared});
    const Held held(queue);
    Places places;
    std::vector<int> got;
    for (uint64_t tenant = 1; tenant <= 5; ++tenant) {
      int count = 0;
      while (auto place = queue.enter(
                 tenant, [] {}, [] {})) {
        places.push_back(std::move(place));
        ++count;
      }
      got.push_back(count);
    }
    EXPECT_EQ(got, shared ? (std::vector<int>{4, 2, 1, 1, 0}) : (std::vector<int>{8, 0, 0, 0, 0}));
    places.clear();  // all leave
    EXPECT_EQ(queue.waiting(), 0u);
    EXPECT_NE(queue.enter(
                  5, [] {}, [] {}),
              nullptr);
  }
}

TEST(CompileQueue, WhoLeavesIsDropped) {
  CompileQueue queue;
  const auto ran = std::make_shared<std::atomic<int>>(0);
  const auto work = [ran] { ++*ran; };
  {
    Held held(queue);
    auto first = queue.enter(1, work, [] {});
    auto second = queue.enter(1, work, [] {});
    auto other = queue.enter(2, work, [] {});
    first.reset();
    other.reset();
    EXPECT_EQ(queue.waiting(), 1u);
    held.release();
    wait_until([&] { return second->ended(); });
  }
  flush(queue);
  EXPECT_EQ(*ran, 1);
  EXPECT_EQ(ran.use_count(), 2);  // `work` itself has the other: dropped jobs keep nothing
}

TEST(CompileQueue, StoppingDropsWhatWaits) {
  CompileQueue queue;
  auto held = std::make_unique<Held>(queue);
  std::atomic<int> ran = 0;
  const auto place = queue.enter(
      1, [&] { ++ran; }, [] {});
  std::thread stopper([&] { queue.stop(); });
  wait_until([&] { return queue.waiting() == 0; });
  held.reset();
  stopper.join();
  EXPECT_FALSE(place->ended());
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(queue.enter(
                1, [] {}, [] {}),
            nullptr);
}

TEST(CompileQueue, ManyThreadsEnterAndLeave) {
  constexpr int kThreads = 4, kRounds = 500;
  CompileQueue queue({.most_waiting = 4, .shared = true});
  std::atomic<int> ran = 0, done = 0, left = 0, refused = 0;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const auto ended = std::make_shared<std::promise<void>>();
        const auto place = queue.enter(
            t % 3, [&] { ++ran; }, [ended] { ended->set_value(); });
        if (place == nullptr) {
          ++refused;
        } else if (i % 3 == 0) {
          ++left;
        } else {
          ended->get_future().wait();
          EXPECT_TRUE(place->ended());
          ++done;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  flush(queue);
  EXPECT_EQ(done + left + refused, kThreads * kRounds);
  EXPECT_GE(ran, done);
  EXPECT_LE(ran, done + left);
  EXPECT_EQ(queue.waiting(), 0u);
}

struct NoWire final : Wire {
  Task<bool> write(std::string_view) override { co_return true; }
  void make_room() override {}
};

// The text of on_compiler()'s error, or of what its work gave. `meanwhile`: when it waits;
// `behind`: when it waits no more.
std::string outcome(
    ServerOptions options, std::function<std::string()> work,
    const std::function<void(Call&)>& meanwhile = [](Call&) {},
    const std::function<void()>& behind = [] {}) {
  ServerState state(std::move(options));
  boost::asio::io_context io;
  WakeupQueue wakeups(io);
  NoWire wire;
  Call call(state, wire, wakeups, "id");
  std::string out;
  const auto run = [&]() -> Task<> {
    try {
      out = co_await call.on_compiler(std::move(work));
    } catch (const ApiError& error) {
      out = fmt::format("{} {}", error.status, error.message);
    }
  };
  boost::asio::co_spawn(io, run(), boost::asio::detached);
  boost::asio::post(io, [&] { meanwhile(call); });
  io.run();
  behind();
  state.end_workers();
  return out;
}

TEST(CompileQueue, CallsHaveResultsAndErrors) {
  EXPECT_EQ(outcome({}, [] { return std::string("made"); }), "made");
  EXPECT_EQ(outcome({}, []() -> std::string { throw bad_request("a", "wrong"); }), "400 wrong");
}

// Work that has begun goes on, and its call does not wait for it.
TEST(CompileQueue, CallsLeaveWorkUnderWay) {
  struct Case {
    std::chrono::milliseconds timeout;
    std::function<void(Call&)> meanwhile;
    std::string told;
  };
  const std::vector<Case> cases = {
      {std::chrono::milliseconds(500), [](Call&) {}, "504 the request took longer"},
      {std::chrono::milliseconds(0), [](Call& call) { call.set_gone(); }, "500 the client went"},
      {std::chrono::milliseconds(0), [](Call& call) { call.server().ending.store(true); },
       "503 the server is shutting down"}};
  for (const Case& one : cases) {
    std::promise<void> gate;
    const auto began = std::make_shared<std::promise<void>>();
    const auto ran = std::make_shared<std::promise<void>>();
    const auto work = [began, ran, opened = gate.get_future().share()] {
      began->set_value();
      opened.wait();
      ran->set_value();
      return std::string("made");
    };
    const auto meanwhile = [&](Call& call) {
      began->get_future().wait();
      one.meanwhile(call);
    };
    const auto open = [&] { gate.set_value(); };
    ServerOptions options;
    options.request_timeout = one.timeout;
    EXPECT_THAT(outcome(options, work, meanwhile, open), HasSubstr(one.told));
    EXPECT_EQ(ran->get_future().wait_for(std::chrono::seconds(0)), std::future_status::ready);
  }
}

CompileQueue& queue_of(OracleServer& server) { return server.server().state().compile_queue(); }

std::string form_body(bool stream = false) {
  return Json{{"prompt", "a"},
              {"max_tokens", 4},
              {"stream", stream},
              {"structured_outputs", {{"regex", "[ab]{40}"}}}}
      .dump();
}

std::string post(const std::string& body, const std::string& key = "none") {
  return fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "x-api-key: {}\r\nContent-Length: {}\r\n\r\n{}",
      key, body.size(), body);
}

// Requests for forms, each of a connection of its own, that wait for the queue.
class Waiting {
 public:
  explicit Waiting(OracleServer& server) : server_(server) {}
  void add(size_t count, const std::string& key) {
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<HttpClient>(server_.port()));
      clients_.back()->send(post(form_body(), key));
      wait_until([&] { return queue_of(server_).waiting() == clients_.size(); });
    }
  }
  void expect_answers() {
    for (const auto& client : clients_) EXPECT_EQ(client->read().result_int(), 200u);
  }

 private:
  OracleServer& server_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
};

void expect_refused(const HttpAnswer& answer, const std::string& words) {
  EXPECT_EQ(answer.result_int(), 503u);
  ASSERT_EQ(answer.count("Retry-After"), 1u);
  EXPECT_GT(std::stoi(std::string(answer["Retry-After"])), 0);
  const Json error = Json::parse(answer.body())["error"];
  EXPECT_EQ(error["type"], "unavailable_error");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(words));
}

HttpAnswer answer_to(OracleServer& server, const std::string& request) {
  HttpClient client(server.port());
  client.send(request);
  return client.read();
}

TEST(CompileQueue, AFullOneIsToldWithATimeToWait) {
  OracleServer server;
  Held held(queue_of(server));
  Waiting waiting(server);
  waiting.add(64, "none");
  expect_refused(answer_to(server, post(form_body())), "too many forms");
  const Json free = {{"prompt", "a"}, {"max_tokens", 2}};
  EXPECT_EQ(answer_to(server, post(free.dump())).result_int(), 200u);
  held.release();
  waiting.expect_answers();
}

Json requests_of(OracleServer& server, const std::string& key) {
  const std::string request =
      fmt::format("GET /requests HTTP/1.1\r\nHost: a\r\nx-api-key: {}\r\n\r\n", key);
  return Json::parse(answer_to(server, request).body());
}

double metric_of(OracleServer& server, const std::string& name) {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\nx-api-key: few\r\n\r\n";
  const std::string text = answer_to(server, request).body();
  const size_t at = text.find("\n" + name + "{");
  if (at == text.npos) return -1;
  return std::stod(text.substr(text.find("} ", at) + 2));
}

TEST(CompileQueue, WhoWaitsIsShown) {
  OracleServerOptions options;
  options.server.api_keys = {"flood", "few"};
  OracleServer server(options);
  Held held(queue_of(server));
  Waiting waiting(server);
  waiting.add(3, "flood");
  waiting.add(2, "few");
  const Json now = requests_of(server, "few");
  ASSERT_EQ(now["count"], 5) << now;
  EXPECT_EQ(now["compile_queue"]["requests"], 6) << "with the one under way";
  std::vector<int> positions;
  for (const Json& one : now["requests"]) {
    EXPECT_EQ(one["state"], "compiling");
    EXPECT_EQ(one["endpoint"], "/v1/completions");
    EXPECT_EQ(one["prompt_tokens"], 1);
    EXPECT_EQ(one["choices"], 1);
    EXPECT_GT(one["age_ms"], 0.0);
    positions.push_back(one["compile_position"]);
  }
  EXPECT_THAT(positions, ElementsAre(1, 3, 5, 2, 4)) << "keys take turns";
  EXPECT_EQ(metric_of(server, "ingot_num_requests_compiling"), 6);
  held.release();
  waiting.expect_answers();
  wait_until([&] { return requests_of(server, "few")["count"] == 0; });
  EXPECT_EQ(requests_of(server, "few")["compile_queue"]["requests"], 0);
  EXPECT_EQ(metric_of(server, "ingot_num_requests_compiling"), 0);
  // Time to the first token counts from before the wait.
  double waited = 0;
  for (const Json& one : now["requests"]) waited += one["age_ms"].get<double>() * 1e-3;
  EXPECT_GE(metric_of(server, "ingot_time_to_first_token_seconds_sum"), waited);
  EXPECT_GE(metric_of(server, "ingot_request_queue_time_seconds_sum"), waited);
}

TEST(CompileQueue, OneKeyLeavesOthersTheirPlaces) {
  OracleServerOptions options;
  options.server.api_keys = {"flood", "few"};
  OracleServer server(options);
  Held held(queue_of(server));
  Waiting waiting(server);
  waiting.add(32, "flood");
  expect_refused(answer_to(server, post(form_body(), "flood")), "too many forms");
  waiting.add(3, "few");
  held.release();
  waiting.expect_answers();
}

TEST(CompileQueue, DeadlinesCountWhileOneWaits) {
  OracleServerOptions options;
  options.server.request_timeout = std::chrono::milliseconds(100);
  OracleServer server(options);
  const Held held(queue_of(server));
  for (const bool stream : {false, true}) {
    EXPECT_EQ(answer_to(server, post(form_body(stream))).result_int(), 504u);
    EXPECT_EQ(queue_of(server).waiting(), 0u);
  }
}

TEST(CompileQueue, WhoGoesAwayWaitsNoMore) {
  OracleServer server;
  const Held held(queue_of(server));
  HttpClient client(server.port());
  client.send(post(form_body()));
  wait_until([&] { return queue_of(server).waiting() == 1; });
  client.reset();
  wait_until([&] { return queue_of(server).waiting() == 0; });
  wait_until([&] { return server.server().state().calls.load() == 0; });
}

TEST(CompileQueue, WhoWaitsWhenTheServerDrainsIsAnswered) {
  OracleServer server;
  Held held(queue_of(server));
  Waiting waiting(server);
  waiting.add(1, "none");
  std::thread drain([&] { server.server().drain(); });
  wait_until([&] { return server.server().state().draining(); });
  held.release();
  waiting.expect_answers();
  drain.join();
}

TEST(CompileQueue, TheEndOfDrainingIsTold) {
  OracleServerOptions options;
  options.server.drain_timeout = std::chrono::milliseconds(50);
  OracleServer server(options);
  const Held held(queue_of(server));
  HttpClient client(server.port());
  client.send(post(form_body()));
  wait_until([&] { return queue_of(server).waiting() == 1; });
  server.server().drain();
  expect_refused(client.read(), "shutting down");
  EXPECT_EQ(queue_of(server).waiting(), 0u);
}

// Every answer in a form is over its limits.
class FaultyModel final : public InlineModel {
 public:
  using InlineModel::InlineModel;

 private:
  void answer(const Batch&, std::vector<RowResult>& rows) override {
    for (RowResult& row : rows) row.failure = FinishReason::kFormFault;
  }
};

TEST(FormFaults, NameTheFieldOfTheForm) {
  ModelServer<FaultyModel> server;
  const Json schema = {{"type", "object"}};
  const Json message = {{"role", "user"}, {"content", "a"}};
  const Json tool = {{"type", "function"}, {"function", {{"name", "f"}, {"parameters", schema}}}};
  const Json chat = {{"messages", Json::array({message})}};
  const Json format = {{"type", "json_schema"}, {"name", "n"}, {"schema", schema}};
  const Json named = {{"type", "json_schema"},
                      {"json_schema", {{"name", "n"}, {"schema", schema}}}};
  struct Case {
    const char* path;
    Json fields;
    const char* param;
  };
  const std::vector<Case> cases = {
      {"/v1/chat/completions", {{"response_format", named}}, "response_format.json_schema.schema"},
      {"/v1/chat/completions", {{"response_format", {{"type", "json_object"}}}}, "response_format"},
      {"/v1/chat/completions",
       {{"tools", Json::array({tool})}, {"tool_choice", "required"}},
       "tools"},
      {"/v1/completions", {{"structured_outputs", {{"regex", "a+"}}}}, "structured_outputs.regex"},
      {"/v1/completions", {{"grammar", "root ::= \"a\""}}, "grammar"},
      {"/v1/completions", {{"json_schema", schema}}, "json_schema"},
      {"/v1/responses", {{"text", {{"format", format}}}}, "text.format.schema"}};
  for (const Case& one : cases) {
    const std::string path = one.path;
    Json body = path == "/v1/chat/completions" ? chat
                : path == "/v1/responses"      ? Json{{"input", "a"}}
                                               : Json{{"prompt", "a"}};
    body.update(one.fields);
    // The second time the grammar is there, and nothing waits for it.
    for (const bool stream : {false, true}) {
      body["stream"] = stream;
      HttpClient client(server.port());
      const HttpAnswer answer = client.call("POST", path, body.dump());
      // A stream's fault may be there before its head.
      const bool framed = stream && answer.result_int() == 200u;
      if (!framed) EXPECT_EQ(answer.result_int(), 400u) << one.param;
      const size_t at = framed ? answer.body().rfind("data: ") + 6 : 0;
      ASSERT_LT(at, answer.body().size());
      const Json error = Json::parse(answer.body().substr(at))["error"];
      EXPECT_EQ(error["param"], one.param);
      EXPECT_THAT(error["message"].get<std::string>(),
                  HasSubstr(fmt::format("'{}': the answer's form", one.param)));
    }
  }
}

}  // namespace
}  // namespace ingot
