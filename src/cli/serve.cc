#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/json_line.h"
#include "base/json_log.h"
#include "base/log.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/embedding_flags.h"
#include "cli/contract/generation_flags.h"
#include "cli/contract/kv_cache_flags.h"
#include "cli/contract/other_servers.h"
#include "cli/contract/step_limits.h"
#include "runtime/embedding_session.h"
#include "runtime/session_memory.h"
#include "server/host_check.h"
#include "server/http_server.h"
#include "server/open_files.h"

namespace ingot {
namespace command_serve {

constexpr int64_t kHostSequence = 2048;  // tokens of KV cache for each sequence on a CPU

// SIGINT, SIGTERM and SIGHUP, taken by one thread; all others block them from here on. Who starts
// the program under nohup, which ignores SIGHUP, wants it to outlive the terminal.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    struct sigaction hangup = {};
    ::sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::thread([this] { listen(); });
    thread_.detach();  // it ends with the process
  }
  // Before it, a signal ends the process at once.
  void start_serving() { serving_.store(true); }
  void wait() { stopped_.wait(false); }

 private:
  void listen() {
    int signal = 0;
    while (sigwait(&set_, &signal) == 0) {
      if (!serving_.load() || stopped_.exchange(true)) ::_exit(128 + signal);
      stopped_.notify_all();
    }
  }
  sigset_t set_;
  std::thread thread_;
  std::atomic<bool> serving_{false}, stopped_{false};
};

// A model's steps on a thread of their own, to the end of the scope, errors included: then `stop`
// tells them, and the server ends before what its threads look at.
class Steps {
 public:
  Steps(HttpServer& server, std::function<void()> run, std::function<void()> stop)
      : server_(server), stop_(std::move(stop)), thread_(std::move(run)) {}
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  ~Steps() {
    stop_();
    thread_.join();
    server_.stop();
  }

 private:
  HttpServer& server_;
  std::function<void()> stop_;
  std::thread thread_;
};

constexpr size_t kMostKey = 4096;

// Whether a header can hold it; else nobody could show it.
bool is_sendable(const std::string& key) {
  return key.size() <= kMostKey && std::ranges::none_of(key, [](unsigned char c) {
           return (c < 0x20 && c != '\t') || c == 0x7f;
         });
}

std::vector<std::string> read_keys(const std::string& path) {
  constexpr size_t kMostBytes = 16 << 20;
  std::istringstream file(read_file(path, kMostBytes));
  std::vector<std::string> out;
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (!is_sendable(line)) {
      fail(ErrorCode::kInvalidArgument, "cli/serve",
           "{}: line {}: expected a key that a header can hold (no control characters, at most {} "
           "bytes), found one of {} bytes",
           path, number, kMostKey, line.size());
    }
    out.push_back(line);
  }
  if (out.empty()) {
    fail(ErrorCode::kInvalidArgument, "cli/serve", "{}: expected a key in each line, found none",
         path);
  }
  return out;
}

// Whoever set one of them expects that others cannot call without it.
std::vector<std::string> keys_of_others() {
  std::vector<std::string> out;
  for (const char* name : {"VLLM_API_KEY", "LLAMA_API_KEY"}) {
    const char* key = std::getenv(name);
    if (key == nullptr || *key == 0) continue;
    spdlog::warn("callers must show the key that the variable {} has", name);
    out.emplace_back(key);
  }
  return out;
}

// "org/SmolLM2-135M.gguf" as "SmolLM2-135M".
std::string default_name(std::string model) {
  while (model.size() > 1 && model.back() == '/') model.pop_back();
  std::string name = model.substr(model.rfind('/') + 1);
  for (const std::string_view ending : {".engine", ".gguf"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  return name;
}

class Serve final : public Command {
 public:
  void declare(Flags& flags) override {
    declare_other_servers(flags);
    model_.declare(flags);
    task_.declare(flags);
    pooling_.declare(flags);
    flags.config_file();
    declare_network(flags);
    flags.flag("served-model-name", &names_,
               "the model's name in the API; may be given several times");
    flags.flag("max-num-seqs", &sequences_,
               fmt::format("sequences that run together; default {}, on a GPU {}, and no more than "
                           "an engine was built for",
                           kDefaultRows, kGpuRows),
               &has_sequences_);
    flags.flag("max-num-batched-tokens", &step_tokens_,
               "most tokens of a step; 0 = what the engine was built for");
    kv_cache_.declare(flags);
    flags.flag("cache-type-k", &cache_type_k_, "llama-server's way of --kv-dtype");
    flags.flag("cache-type-v", &cache_type_v_, "the same; keys and values have one type here");
    flags.flag("chat-template", &template_file_,
               "file of a chat template, in place of the model's");
    flags.flag("no-prefix-cache", &no_prefix_cache_, "compute every prompt anew");
    flags.flag("max-queued-requests", &max_queued_, "that wait; one more is refused (429)");
    flags.flag("request-timeout", &request_timeout_,
               "seconds from arrival to the last token; 0 = none");
    flags.flag("fairness", &fairness_,
               "on: keys of equal priority get equal shares; off: first come, first served");
    flags.given(&given_);
    flags.flag("drain-timeout", &drain_timeout_, "seconds that requests have to end after SIGTERM");
  }

  int run() override {
    Signals signals;
    model_.task = task_.task();
    pooling_.check();
    if (model_.task == ModelTask::kGenerate) refuse_pooling();
    kv_cache_.check();
    read_cache_types();
    const std::string template_text = template_file_.empty() ? "" : read_template();
    ServerOptions options = server_options();
    std::unique_ptr<Device> device = model_.check();
    HttpServer server(std::move(options));
    make_room(server);
    say_port(server.port());
    server.start();
    OpenModel model = open(std::move(device));
    if (!template_file_.empty()) set_template(model.assets, template_text);
    if (model_.task != ModelTask::kGenerate && is_embedding_engine(*model.loaded.engine)) {
      serve_embeddings(signals, server, model);
    } else {
      serve_text(signals, server, model);
    }
    return 0;
  }

 private:
  // What is built here for a GPU is tuned for the sequences that will run.
  OpenModel open(std::unique_ptr<Device> device) {
    const bool on_gpu = !device->host_visible();
    if (on_gpu) {
      const int64_t rows = has_sequences_ ? sequences_ : default_rows(on_gpu);
      set_step_limits(model_.limits, rows, step_tokens_ > 0 ? step_tokens_ : kGpuStepTokens);
    }
    OpenModel out = model_.open(std::move(device));
    if (!has_sequences_) sequences_ = default_rows(out.loaded.engine->plan.limits, on_gpu);
    return out;
  }

  void read_cache_types() {
    for (const std::string* type : {&cache_type_k_, &cache_type_v_}) {
      if (type->empty()) continue;
      if (!model_.kv_dtype.empty() && model_.kv_dtype != *type) {
        throw UsageError(
            fmt::format("--cache-type-k, --cache-type-v, --kv-dtype: keys and values have one "
                        "type here, found '{}' and '{}'",
                        model_.kv_dtype, *type));
      }
      model_.kv_dtype = *type;
    }
  }

  // Before the port is open, where it is no template; parsed again for the model.
  std::string read_template() const {
    std::string out = read_file(template_file_, TemplateLimits().source_bytes + 1);
    ChatTemplate::parse(out, template_file_);
    return out;
  }

  void set_template(TextAssets& assets, const std::string& text) const {
    assets.require_tokenizer();
    assets.chat_template = ChatTemplate::parse(text, template_file_);
    assets.template_source = text;
  }

  void serve_text(Signals& signals, HttpServer& server, const OpenModel& model) {
    if (model_.task == ModelTask::kEmbed) {
      engine_embedding_rules(*model.loaded.engine, model_.model);  // says what is missing
    }
    refuse_pooling();
    TextSession session(model.loaded.engine, *model.device, session_options(model));
    ServedModel served = served_model(model.assets, session.room());
    served.loop = &session.loop();
    served.grammars =
        std::make_shared<ModelGrammars>(model.assets, session.loop().limits().vocab_size);
    const Steps steps(
        server, [&] { session.loop().run(); }, [&] { session.loop().stop(); });
    serve(signals, server, served);
  }

  // Flags of models of the other kind are not ignored: what would change answers is refused, what
  // sizes or forbids something that is not there is taken with a line, as of other servers' flags.
  void refuse_pooling() const {
    if (pooling_.name.empty()) return;
    constexpr const char* kWhy = "the model answers text; --task embed makes embeddings of it";
    if (std::ranges::find(given_, "pooling") != given_.end()) {
      throw UsageError(fmt::format("--pooling: {}", kWhy));
    }
    spdlog::warn("INGOT_POOLING has no effect: {}", kWhy);  // it may be meant for other commands
  }

  void check_embedding_flags() const {
    if (fairness_ == "off") {
      throw UsageError("--fairness: expected on, found 'off': callers of embeddings take turns");
    }
    for (const std::string_view name : kv_cache_.given()) {
      spdlog::warn("{} has no effect: nothing is cached of texts to embed", name);
    }
    if (no_prefix_cache_) {
      spdlog::warn("--no-prefix-cache has no effect: nothing is cached of texts to embed");
    }
  }

  void serve_embeddings(Signals& signals, HttpServer& server, const OpenModel& model) {
    check_embedding_flags();
    ServedEmbeddings embeddings;
    embeddings.rules = engine_embedding_rules(*model.loaded.engine, model_.model);
    pooling_.apply(embeddings.rules);
    EmbeddingOptions options;
    options.reference = model_.reference;
    options.context = model_.max_seq_len;
    options.sequences = sequences_;
    options.step_tokens = step_tokens_;
    EmbeddingSession session(model.loaded.engine, embeddings.rules, *model.device, options);
    const SteadyClock clock;
    EmbeddingQueue queue(session, {.max_queued_requests = max_queued_}, clock);
    embeddings.queue = &queue;
    ServedModel served = served_model(model.assets, session.limits().max_tokens);
    served.embeddings = &embeddings;
    const Steps steps(
        server, [&] { queue.run(); }, [&] { queue.stop(); });
    serve(signals, server, served);
  }

  // Until a signal, and until requests have ended.
  void serve(Signals& signals, HttpServer& server, ServedModel& served) const {
    server.state().set_model(&served);
    signals.start_serving();
    say_ready(served);
    signals.wait();
    say({{"event", "draining"}}, "draining");
    server.drain();
  }

  void declare_network(Flags& flags) {
    flags.flag("host", &host_, "address to listen on");
    flags.flag("port", &port_, "port to listen on; 0 = one that is free");
    flags.flag("api-key", &keys_, "a key that callers may show; may be given several times");
    flags.flag("api-key-file", &key_file_, "file with a key in each line");
    flags.flag("allow-no-key", &allow_no_key_,
               "listen beyond this machine although whoever reaches the port may call");
    flags.flag("allowed-origins", &origins_, "origins of web pages that may call (CORS)");
    flags.flag("allowed-hosts", &hosts_,
               "names beside this machine's own that Host headers may have, '*': any; default "
               "beyond this machine or with keys: any");
    flags.flag("ssl-certfile", &certificate_, "certificate chain (PEM)");
    flags.flag("ssl-keyfile", &certificate_key_, "its private key (PEM)");
    flags.flag("io-threads", &io_threads_, "threads that read and write connections");
    flags.flag("workers", &workers_, "threads that parse, render and tokenize requests");
    flags.flag("metrics-compat", &metrics_compat_,
               "vllm: /metrics also has the names of vLLM's metrics");
    flags.flag("max-connections", &max_connections_, "at a time; one more is closed");
    flags.flag("max-body-memory", &body_mib_,
               "MiB of request bodies at a time; one more is refused (503)");
  }

  ServerOptions server_options() {
    check_range("port", port_, 0, 65535);
    check_range("io-threads", io_threads_, 1, 256);
    check_range("workers", workers_, 1, 256);
    check_range("max-connections", max_connections_, 1, 1 << 20);
    check_range("max-body-memory", body_mib_, 1, 1 << 20);
    check_range("max-num-seqs", sequences_, 1, 1 << 16);
    check_range("max-num-batched-tokens", step_tokens_, 0, 1 << 24);
    check_range("max-queued-requests", max_queued_, 1, 1 << 20);
    check_range("request-timeout", request_timeout_, 0, 1 << 20);
    check_range("drain-timeout", drain_timeout_, 0, 1 << 20);
    if (fairness_ != "on" && fairness_ != "off") {
      throw UsageError(fmt::format("--fairness: expected on or off, found '{}'", fairness_));
    }
    if (certificate_.empty() != certificate_key_.empty()) {
      throw UsageError("--ssl-certfile goes with --ssl-keyfile");
    }
    ServerOptions out;
    out.host = host_;
    out.port = static_cast<int>(port_);
    if (!std::ranges::all_of(keys_, is_sendable)) {
      throw UsageError(
          fmt::format("--api-key: expected a key that a header can hold (no control "
                      "characters, at most {} bytes)",
                      kMostKey));
    }
    out.api_keys = keys_;
    if (!key_file_.empty()) {
      const auto more = read_keys(key_file_);
      out.api_keys.insert(out.api_keys.end(), more.begin(), more.end());
    }
    if (out.api_keys.empty()) out.api_keys = keys_of_others();
    several_keys_ = std::set<std::string>(out.api_keys.begin(), out.api_keys.end()).size() > 1;
    if (!is_loopback_host(host_) && out.api_keys.empty() && !allow_no_key_) {
      throw UsageError(
          fmt::format("--host {}: others than this machine could call without a key; "
                      "expected --api-key, --api-key-file or --allow-no-key",
                      host_));
    }
    // Others than this machine's own names need a word where nobody shows a key: by rebinding, a
    // web page in a browser here has a name of its own for this address.
    out.known_hosts_only = !hosts_.empty() || (is_loopback_host(host_) && out.api_keys.empty());
    out.allowed_hosts = hosts_;
    out.allowed_hosts.push_back(host_);
    for (const std::string& origin : origins_) {
      if (origin == "*" || is_origin(origin)) continue;
      throw UsageError(fmt::format(
          "--allowed-origins: expected *, null or scheme://host[:port] in lower case, found '{}'",
          origin));
    }
    out.allowed_origins = origins_;
    out.tls_certificate = certificate_;
    out.tls_key = certificate_key_;
    out.io_threads = io_threads_;
    out.workers = workers_;
    if (!metrics_compat_.empty() && metrics_compat_ != "vllm") {
      throw UsageError(fmt::format("--metrics-compat: expected vllm, found {}", metrics_compat_));
    }
    out.vllm_metrics = !metrics_compat_.empty();
    out.max_connections = max_connections_;
    out.max_body_memory = body_mib_ << 20;
    out.request_timeout = std::chrono::seconds(request_timeout_);
    out.drain_timeout = std::chrono::seconds(drain_timeout_);
    return out;
  }

  void make_room(HttpServer& server) const {
    const FileRoom room = make_file_room(max_connections_);
    if (room.connections == max_connections_) return;
    spdlog::warn(
        "--max-connections {}: {} fit, as this process may open {} files: raise that limit "
        "(ulimit -Hn; LimitNOFILE of systemd, --ulimit nofile of containers) or give a lower "
        "number",
        max_connections_, room.connections, room.limit);
    server.limit_connections(room.connections);
  }

  // The KV cache gets what was asked for; else all that could be used, in half of the free memory.
  SessionOptions session_options(const OpenModel& model) const {
    const Engine& engine = *model.loaded.engine;
    SessionOptions out;
    out.reference = model_.reference;
    out.sequences = sequences_;
    out.context = model_.max_seq_len;
    out.step_tokens = step_tokens_;
    out.prefix_cache = !no_prefix_cache_;
    out.max_queued_requests = max_queued_;
    out.fair = fairness_ == "on";
    out.share_queue = out.fair && several_keys_;
    if (const auto pages = kv_cache_.pages(session_memory(engine, out, *model.device))) {
      out.kv_pages = *pages;
      return out;
    }
    if (model.device->host_visible()) {
      // A host touches all of it at start, and few answers are as long as the context.
      const int64_t context = session_runner_options(engine, out).max_seq_len;
      out.kv_pages = kv_blocks(std::max(context, std::min(context, kHostSequence) * sequences_));
    }
    const SessionMemory memory = session_memory(engine, out, *model.device);
    if (memory.free <= 0 || memory.kv <= memory.room_for_kv() / 2) return out;
    const int64_t page = std::max<int64_t>(memory.kv_token * kKvBlockTokens, 1);
    out.kv_pages = std::max<int64_t>(memory.room_for_kv() / 2 / page, 1);
    return out;
  }

  ServedModel served_model(const TextAssets& assets, int64_t context) const {
    ServedModel out;
    out.name = names_.empty() ? default_name(model_.model) : names_[0];
    if (names_.size() > 1) out.aliases.assign(names_.begin() + 1, names_.end());
    if (names_.empty() && out.name != model_.model) out.aliases.push_back(model_.model);
    out.created = std::time(nullptr);
    out.assets = &assets;
    out.context = context;
    return out;
  }

  void say_port(int port) const {
    const char* scheme = certificate_.empty() ? "http" : "https";
    const Json event = {{"event", "listening"}, {"host", host_}, {"port", port}};
    if (json) print_now(event);
    const std::string host = host_.find(':') == host_.npos ? host_ : "[" + host_ + "]";
    say(event, fmt::format("listening on {}://{}:{} (a browser shows a chat), loading {}", scheme,
                           host, port, model_.model));
  }

  void say_ready(const ServedModel& model) const {
    Json event = {{"event", "ready"},
                  {"model", model.name},
                  {"max_model_len", model.context},
                  {"max_num_seqs", sequences_}};
    const bool embeds = model.embeddings != nullptr;
    if (embeds) event["task"] = "embed";
    if (json) print_ready(event);
    say(event, fmt::format("ready: {}, up to {} tokens of {}", model.name, model.context,
                           embeds ? "a text to embed" : "prompt and answer"));
  }

  // A program that needed the port alone may have closed its end since.
  static void print_ready(const Json& event) {
    try {
      print_now(event);
    } catch (const Error& error) {
      spdlog::warn("the event \"ready\" reached nobody, serving goes on: {}", error.what());
      // What is left of it would be an error at the end.
      if (std::freopen("/dev/null", "w", stdout) == nullptr) throw;
    }
  }

  static void print_now(const Json& event) {
    print_json(event);
    std::fflush(stdout);
  }

  // A line for who reads standard error: a person, or a program where the log is JSON.
  static void say(const Json& event, const std::string& text) {
    if (log_is_json()) {
      log_fields(spdlog::level::info, json_line(event));
    } else {
      std::fprintf(stderr, "%s\n", text.c_str());
    }
  }

  ModelFlags model_;
  TaskFlag task_;
  PoolingFlag pooling_;
  KvCacheFlags kv_cache_;
  std::string host_ = "127.0.0.1";
  int64_t port_ = 8000;
  std::vector<std::string> keys_, origins_, hosts_, names_;
  std::vector<std::string> given_;  // flags on the command line
  std::string key_file_, certificate_, certificate_key_, metrics_compat_;
  std::string cache_type_k_, cache_type_v_, template_file_;
  std::string fairness_ = "on";
  bool allow_no_key_ = false, no_prefix_cache_ = false;
  bool several_keys_ = false, has_sequences_ = false;
  int64_t io_threads_ = 1, workers_ = 2, max_connections_ = 8192, body_mib_ = 1024;
  int64_t sequences_ = kDefaultRows, step_tokens_ = 0, max_queued_ = 512;
  int64_t request_timeout_ = 0, drain_timeout_ = 30;
};

}  // namespace command_serve

const CommandDef& serve_command() {
  using namespace command_serve;
  static const CommandDef def = {
      .name = "serve",
      .help = "answer requests of OpenAI's API over HTTP",
      .example = "ingot serve smollm2-135m-instruct --port 8000",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Serve>()); }};
  return def;
}

}  // namespace ingot
