// oracle_server_tool serve: the oracle, or the parrot (--parrot 1), behind the real server until
// SIGTERM; then what it cost.
// oracle_server_tool verify: streams against it, every token id compared with the oracle's.
// Both print JSON lines. tests/server/run_load.py and reliability.py drive them; docs/decisions.md
// has figures.
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/file.h"
#include "oracle_server.h"
#include "parrot_model.h"
#include "server/http_client.h"
#include "server/sse_parser.h"

namespace ingot {
namespace {

using Options = std::map<std::string, std::string>;

int64_t number(const Options& options, const std::string& name, int64_t otherwise) {
  const auto at = options.find(name);
  return at == options.end() ? otherwise : std::stoll(at->second);
}

std::string text(const Options& options, const std::string& name) {
  const auto at = options.find(name);
  return at == options.end() ? "" : at->second;
}

// "a,b" as two.
std::vector<std::string> words(const Options& options, const std::string& name) {
  std::vector<std::string> out;
  std::stringstream list(text(options, name));
  for (std::string word; std::getline(list, word, ',');) out.push_back(word);
  return out;
}

ModelLimits oracle_limits() {
  ModelLimits out;
  out.vocab_size = 258;
  out.state_groups.resize(1);
  return out;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// CPU seconds by thread name; of threads that still run.
Json thread_seconds() {
  std::map<std::string, double> sums;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    int64_t ns = 0;
    std::ifstream(entry.path() / "comm") >> name;
    std::ifstream(entry.path() / "schedstat") >> ns;
    sums[name] += static_cast<double>(ns) * 1e-9;
  }
  return sums;
}

template <typename Server>
int serve_until_signal(Server& server, const sigset_t& signals);

int serve(const Options& given) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  OracleServerOptions options;
  options.port = static_cast<int>(number(given, "port", 0));
  options.rows = number(given, "rows", 16);
  options.context = number(given, "context", 1024);
  options.pages = number(given, "pages", (options.context / kKvBlockTokens + 1) * options.rows);
  options.loop.max_queued_requests = number(given, "queue", 0);
  options.loop.share_queue = number(given, "share-queue", 0) != 0;
  options.loop.scheduler.fair = number(given, "fair", 1) != 0;
  options.server.io_threads = number(given, "io-threads", 1);
  options.server.api_keys = words(given, "api-key");
  options.server.tls_certificate = text(given, "ssl-certfile");
  options.server.tls_key = text(given, "ssl-keyfile");
  if (given.contains("chat-template")) {
    options.chat_template = read_file(given.at("chat-template"), TemplateLimits().source_bytes);
  }
  const auto ms = [&](const char* name, std::chrono::milliseconds otherwise) {
    return std::chrono::milliseconds(number(given, name, otherwise.count()));
  };
  options.server.request_timeout = ms("request-timeout-ms", options.server.request_timeout);
  options.server.write_timeout = ms("write-timeout-ms", options.server.write_timeout);
  options.server.drain_timeout = ms("drain-timeout-ms", options.server.drain_timeout);
  if (given.contains("parrot")) {
    ModelServer<ParrotModel> server(options);
    return serve_until_signal(server, signals);
  }
  OracleServer server(options);
  const auto delay = std::chrono::microseconds(number(given, "step-us", 0));
  // No request has come yet, so the engine thread is asleep.
  server.model().on_collect = [delay](int64_t) {
    pthread_setname_np(pthread_self(), "engine");
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
  };
  return serve_until_signal(server, signals);
}

template <typename Server>
int serve_until_signal(Server& server, const sigset_t& signals) {
  std::printf("%s\n", Json{{"port", server.port()}}.dump().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.server().drain();
  LoopStats stats = server.loop().stats();
  // Who went away is cancelled by the next step.
  for (int i = 0; i < 200 && stats.running + stats.waiting > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stats = server.loop().stats();
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  const auto tokens = static_cast<double>(std::max<int64_t>(1, stats.output_tokens));
  const Json out = {{"output_tokens", stats.output_tokens},
                    {"running", stats.running},
                    {"waiting", stats.waiting},
                    {"queued", stats.queued_requests},
                    {"pages_used", stats.pages[0].used},
                    {"preemptions", stats.preemptions},
                    {"prefix_hits", stats.prefix_hits},
                    {"connections", server.server().state().connections.load()},
                    {"user_s", seconds(usage.ru_utime)},
                    {"system_s", seconds(usage.ru_stime)},
                    {"cpu_us_per_token", cpu * 1e6 / tokens},
                    {"thread_s", thread_seconds()},
                    {"peak_rss_bytes", int64_t{usage.ru_maxrss} * 1024}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

struct OneStream {
  std::string prompt;
  std::vector<TokenId> ids;
  std::string fault;
  double first_ms = 0;
  bool done = false;
};

// Ids of `"token_ids":[1,2]` behind the choice's text.
void take_ids(std::string_view data, OneStream& stream) {
  constexpr std::string_view kKey = R"("token_ids":[)";
  const size_t key = data.rfind(kKey);
  if (key == data.npos) return;
  const char* at = data.data() + key + kKey.size();
  const char* end = data.data() + data.size();
  while (at < end && *at != ']') {
    TokenId id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    if (error != std::errc()) {
      stream.fault = "token_ids that are no numbers";
      return;
    }
    stream.ids.push_back(id);
    at = stop + (stop < end && *stop == ',');
  }
}

Task<> run_stream(boost::asio::io_context& io, const HttpTarget& target, int64_t tokens,
                  OneStream& stream) {
  ClientConnection client(io, target);
  ClientRequest request;
  request.method = "POST";
  request.path = "/v1/completions";
  request.body = Json{{"prompt", stream.prompt}, {"max_tokens", tokens},
                      {"temperature", 0},        {"seed", 0},
                      {"stream", true},          {"ignore_eos", true},
                      {"return_token_ids", true}}
                     .dump();
  SseParser parser;
  const Stopwatch watch;
  const auto on_event = [&](const SseEvent& event) {
    if (event.data == "[DONE]") {
      stream.done = true;
      return;
    }
    if (event.data.starts_with("{\"error\"")) stream.fault = event.data;
    take_ids(event.data, stream);
    if (stream.first_ms == 0 && !stream.ids.empty()) stream.first_ms = watch.ms();
  };
  const OnBytes on_bytes = [&](std::string_view bytes) {
    parser.feed(bytes, on_event);
    return true;
  };
  const ClientAnswer answer = co_await client.call(request, on_bytes);
  if (answer.fault != ClientFault::kNone) stream.fault = answer.message;
  if (answer.status != 200) stream.fault = fmt::format("{} {}", answer.status, answer.body);
  if (stream.fault.empty() && !stream.done) stream.fault = "no [DONE]";
}

// Empty when the stream is what the oracle says.
std::string difference(const OneStream& stream, int64_t tokens) {
  if (!stream.fault.empty()) return stream.fault;
  if (static_cast<int64_t>(stream.ids.size()) != tokens) {
    return fmt::format("expected {} tokens, found {}", tokens, stream.ids.size());
  }
  std::vector<TokenId> all(stream.prompt.begin(), stream.prompt.end());
  for (size_t i = 0; i < stream.ids.size(); ++i) {
    const TokenId wanted = oracle_next(oracle_limits(), all, 0, 0);
    if (stream.ids[i] != wanted) {
      return fmt::format("token {}: expected {}, found {}", i, wanted, stream.ids[i]);
    }
    all.push_back(wanted);
  }
  return "";
}

int verify(const Options& given) {
  const int64_t tokens = number(given, "tokens", 64);
  const auto prompt = static_cast<size_t>(number(given, "prompt", 0));
  std::vector<OneStream> streams(static_cast<size_t>(number(given, "streams", 32)));
  const auto port = number(given, "port", 8000);
  const HttpTarget target(parse_http_url(fmt::format("http://127.0.0.1:{}", port)), {});
  boost::asio::io_context io(1);
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i].prompt = fmt::format("stream {} ", i);
    streams[i].prompt.resize(std::max(streams[i].prompt.size(), prompt), 'p');
    boost::asio::co_spawn(io, run_stream(io, target, tokens, streams[i]), boost::asio::detached);
  }
  const Stopwatch watch;
  io.run();
  const double elapsed_s = watch.ms() * 1e-3;
  int64_t received = 0, wrong = 0;
  std::vector<double> first;
  for (size_t i = 0; i < streams.size(); ++i) {
    received += static_cast<int64_t>(streams[i].ids.size());
    first.push_back(streams[i].first_ms);
    const std::string fault = difference(streams[i], tokens);
    if (fault.empty()) continue;
    if (++wrong <= 10) std::fprintf(stderr, "stream %zu: %s\n", i, fault.c_str());
  }
  std::sort(first.begin(), first.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const Json out = {{"streams", streams.size()},
                    {"tokens", received},
                    {"wrong_streams", wrong},
                    {"elapsed_s", elapsed_s},
                    {"tokens_s", static_cast<double>(received) / elapsed_s},
                    {"ttft_p50_ms", first.empty() ? 0 : first[first.size() / 2]},
                    {"client_cpu_s", seconds(usage.ru_utime) + seconds(usage.ru_stime)}};
  std::printf("%s\n", out.dump().c_str());
  return wrong == 0 ? 0 : 1;
}

// serve or verify, then --name value pairs.
int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  Options options;
  for (int i = 2; i + 1 < argc; i += 2) options[std::string(argv[i]).substr(2)] = argv[i + 1];
  if (mode == "serve") return serve(options);
  if (mode == "verify") return verify(options);
  std::fprintf(stderr, "expected serve or verify, found '%s'\n", mode.c_str());
  return 2;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
