#include "cli/contract/bench_session.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/knobs.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"
#include "cli/contract/flag_names.h"
#include "cli/contract/kv_cache_flags.h"
#include "cli/contract/step_limits.h"
#include "engine/container.h"
#include "runtime/decoder_step.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/bench";
// Part of a GPU's free memory that the KV cache takes by default: libraries, captured graphs and
// the sampler need some too.
constexpr double kKvShare = 0.9;

void check_finish(FinishReason reason, size_t prompt, int64_t output) {
  if (reason == FinishReason::kTooLong) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "a request of {} and {} tokens does not fit: more --max-seq-len or --kv-memory", prompt,
         output);
  }
  if (reason == FinishReason::kOutOfMemory) {
    fail(ErrorCode::kOutOfMemory, kWhere,
         "no memory for the next step (the log says what was asked for): lower --kv-memory, "
         "--max-batch-size or --max-num-tokens");
  }
  if (reason == FinishReason::kInternal || reason == FinishReason::kBadLogits) {
    fail(ErrorCode::kInternal, kWhere, "a step failed ({}); the log says more",
         finish_reason_name(reason));
  }
}

SchedulerStats difference(const SchedulerStats& now, const SchedulerStats& before) {
  SchedulerStats out;
  out.steps = now.steps - before.steps;
  out.rows = now.rows - before.rows;
  out.tokens = now.tokens - before.tokens;
  out.preemptions = now.preemptions - before.preemptions;
  return out;
}

std::string line_name(const std::string& path, size_t number) {
  return fmt::format("{}:{}", path, number + 1);
}

// Requests on their way through a session's loop.
class Runner {
 public:
  Runner(Loop& loop, const std::vector<BenchRequest>& requests, const RunHooks& hooks)
      : loop_(loop), requests_(requests), hooks_(hooks) {
    out_.requests.resize(requests.size());
  }

  RunTimes run(int64_t concurrency) {
    before_ = loop_.scheduler().stats();
    const size_t most = concurrency > 0 ? static_cast<size_t>(concurrency) : requests_.size();
    Progress progress("requests", static_cast<int64_t>(requests_.size()), "requests");
    watch_.restart();
    while (done_ < requests_.size()) {
      while (live_.size() < most && next_ < requests_.size()) submit();
      loop_.step();
      take_events();
      progress.update(static_cast<int64_t>(done_));
    }
    out_.total_ms = watch_.ms();
    out_.stats = difference(loop_.scheduler().stats(), before_);
    return std::move(out_);
  }

 private:
  struct Live {
    size_t index;
    std::shared_ptr<Outbox> box;
    double submitted;
    double last;
  };

  void submit() {
    Request request;
    request.prompt = requests_[next_].prompt;
    request.sampling.max_tokens = requests_[next_].output;
    request.sampling.ignore_eos = true;
    const double now = watch_.ms();
    live_.push_back({next_++, loop_.submit(std::move(request)), now, now});
  }

  void take_events() {
    const double now = watch_.ms();
    const bool steady = started_ == requests_.size() && done_ == 0;
    for (Live& live : live_) {
      while (live.box) {  // take() lets go of it after the last event
        const TokenEvent* event = live.box->poll();
        if (!event) break;
        take(live, *event, now, steady);
      }
    }
    std::erase_if(live_, [](const Live& live) { return !live.box; });
    if (!steady_begun_ && started_ == requests_.size() && done_ == 0) {
      steady_begun_ = true;
      steady_since_ = now;
      out_.steady_begin = steps();
      if (hooks_.all_started) hooks_.all_started();
    }
    if (steady && done_ > 0) {
      out_.steady_ms = now - steady_since_;
      out_.steady_end = steps();
      if (hooks_.first_done) hooks_.first_done();
    }
  }

  void take(Live& live, const TokenEvent& event, double now, bool steady) {
    const BenchRequest& request = requests_[live.index];
    check_finish(event.finish, request.prompt.size(), request.output);
    RequestTimes& times = out_.requests[live.index];
    if (event.count > 0) {
      if (times.tokens == 0) {
        times.first_ms = now - live.submitted;
        ++started_;
      } else {
        out_.gaps_ms.push_back(static_cast<float>(now - live.last));
      }
      live.last = now;
      times.tokens += event.count;
      if (steady) out_.steady_tokens += event.count;
    }
    if (!event.request_done) return;
    times.last_ms = now - live.submitted;
    ++done_;
    live.box.reset();
  }

  int64_t steps() const { return loop_.scheduler().stats().steps - before_.steps; }

  Loop& loop_;
  SchedulerStats before_;
  const std::vector<BenchRequest>& requests_;
  const RunHooks& hooks_;
  Stopwatch watch_;
  RunTimes out_;
  std::vector<Live> live_;
  size_t next_ = 0;
  size_t started_ = 0;
  size_t done_ = 0;
  bool steady_begun_ = false;
  double steady_since_ = 0;
};

}  // namespace

std::span<const StepTime> RunTimes::steady_steps() const {
  const auto most = static_cast<int64_t>(steps.size());
  const int64_t begin = std::min(steady_begin, most);
  return std::span(steps).subspan(static_cast<size_t>(begin),
                                  static_cast<size_t>(std::clamp(steady_end, begin, most) - begin));
}

void BenchFlags::declare(Flags& flags) {
  model.declare_options(flags);
  flags.flag("random-weights", &preset,
             "in place of a model: a preset's shapes (llama-3.1-8b, ...)");
  flags.flag("isl", &isl, "of a mode: prompt tokens of a request");
  flags.flag("osl", &osl, "of a mode: tokens it answers; kernels: at least 8, by default 32",
             &has_osl);
  flags.flag("num-requests", &requests,
             "throughput: requests; 0 = four full batches; serve: 0 = 100");
  flags.flag("concurrency", &concurrency, "throughput, serve: most requests at once; 0 = all");
  flags.flag("dataset", &dataset,
             "throughput, serve: JSONL of prompt or input_ids, and output_tokens");
  flags.flag("batch", &batch, "sequences decoded together; decode, kernels: a list like 1,8,64",
             &has_batch);
  flags.flag("repeat", &repeat, "runs of each figure; the median counts");
  flags.flag("random-prompts", &random_prompts, "seeded random ids instead of a text");
  flags.flag("seed", &seed, "of the random prompts");
  flags.flag("max-batch-size", &max_batch_size, "most sequences in a step; 0 = by mode and device");
  flags.flag("max-num-tokens", &max_num_tokens, "most packed tokens in a step; 0 = by device");
  flags.flag("kv-memory", &kv_memory,
             "KV cache: GiB, or up to 1 a part of what is free; default: 0.9 on a GPU, on a CPU "
             "what the requests need");
  flags.flag("gpu-times", &gpu_times,
             "decode, latency, throughput: measure the GPU's busy share and its waits for the "
             "host, by events in every step");
  flags.flag("profile", &profile, "time every kernel of a prefill and of decode steps");
  serve.declare(flags);
}

void BenchFlags::check() const {
  check_range("isl", isl, 1, kMostSequence);
  check_range("osl", osl, 1, kMostSequence);
  check_range("num-requests", requests, 0, 1 << 24);
  check_range("concurrency", concurrency, 0, 1 << 24);
  check_range("repeat", repeat, 1, 1 << 20);
  check_range("max-batch-size", max_batch_size, 0, kMostRows);
  check_range("max-num-tokens", max_num_tokens, 0, kMostStepTokens);
  check_seed(seed);
  batches();
  kv_amount();
  if (gpu_times && !on_gpu()) {
    throw UsageError(
        fmt::format("--gpu-times: expected a GPU as --device, found '{}'", model.device));
  }
}

std::vector<std::string> session_flags(std::vector<std::string> own) {
  FlagNames model;
  ModelFlags().declare_options(model);
  own.insert(own.end(), model.names.begin(), model.names.end());
  for (const char* name : {"random-weights", "random-prompts", "seed", "max-batch-size",
                           "max-num-tokens", "kv-memory"}) {
    own.emplace_back(name);
  }
  return own;
}

double BenchFlags::kv_amount() const { return kv_memory_amount(kv_memory); }

std::vector<int64_t> BenchFlags::batches() const {
  std::vector<int64_t> out;
  for (int32_t value : parse_ids(batch, "--batch", "counts of sequences")) {
    check_range("batch", int64_t{value}, 1, kMostRows);
    out.push_back(value);
  }
  return out;
}

int64_t BenchFlags::largest_batch() const {
  const std::vector<int64_t> all = batches();
  const int64_t largest = *std::max_element(all.begin(), all.end());
  if (max_batch_size > 0 && max_batch_size < largest) {
    throw UsageError(fmt::format("--batch {}: --max-batch-size is {}", largest, max_batch_size));
  }
  return largest;
}

BenchSession::BenchSession(const BenchFlags& flags, int64_t rows) : flags_(flags) {
  ModelFlags model = flags.model;
  options_.sequences = flags.max_batch_size > 0 ? flags.max_batch_size : rows;
  options_.step_tokens = flags.max_num_tokens > 0 ? flags.max_num_tokens
                         : flags.on_gpu()         ? kGpuStepTokens
                                                  : 0;
  // An engine that is built here is tuned for these sizes.
  if (flags.on_gpu() || flags.max_batch_size > 0 || flags.max_num_tokens > 0) {
    set_step_limits(model.limits, options_.sequences, options_.step_tokens);
  }
  open_ = model.open();
}

void BenchSession::start(int64_t context) {
  const int64_t most = engine_context(*open_.loaded.engine);
  options_.context = flags_.model.max_seq_len > 0 ? flags_.model.max_seq_len : context;
  if (options_.context > most || options_.context < context) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{} tokens of a request: the context holds {}",
         context, std::min(most, options_.context));
  }
  options_.reference = flags_.model.reference;
  options_.prefix_cache = false;
  options_.kv_pages = useful_pages();
  memory_ = session_memory(*open_.loaded.engine, options_, *open_.device);
  options_.kv_pages = kv_pages(memory_);
  memory_ = session_memory(*open_.loaded.engine, options_, *open_.device);
  check_engine_covers();
  session_ = std::make_unique<TextSession>(open_.loaded.engine, *open_.device, options_);
}

// An engine file was tuned for steps within its plan's limits. Larger ones run all the same, with
// kernels that nobody timed for them: a line says so.
void BenchSession::check_engine_covers() const {
  const std::string& path = flags_.model.model;
  if (!is_regular_file(path) || !looks_like_container(path)) return;  // built for this session
  const int64_t rows = memory_.rows;
  const int64_t tokens = std::min(memory_.step_tokens, rows * options_.context);
  const SymbolValues& limits = open_.loaded.engine->plan.limits;
  const auto built_for = [&](const char* name, int64_t wanted) {
    const auto limit = limits.find(name);
    return limit == limits.end() ? wanted : limit->second;
  };
  const int64_t built_rows = built_for("batch", rows);
  const int64_t built_tokens = built_for("tokens", tokens);
  if (rows <= built_rows && tokens <= built_tokens) return;
  spdlog::warn(
      "{}: built for steps of up to {} sequences and {} tokens, those here have up to {} and {}: "
      "larger steps run kernels that are not tuned for them; 'ingot build --max-batch-size {} "
      "--max-num-tokens {}' makes an engine that is",
      path, built_rows, built_tokens, rows, tokens, std::max(rows, built_rows),
      std::max(tokens, built_tokens));
}

// What all rows can use, and the page that the scheduler keeps back for each that runs.
int64_t BenchSession::useful_pages() const {
  return (kv_blocks(options_.context) + 1) * options_.sequences;
}

int64_t BenchSession::kv_pages(const SessionMemory& memory) const {
  const int64_t useful = useful_pages();
  if (flags_.kv_memory.empty() && !flags_.on_gpu()) return useful;
  const double amount = flags_.kv_memory.empty() ? kKvShare : flags_.kv_amount();
  if (amount <= 1 && memory.free == 0) return useful;  // free memory is not known
  const double bytes =
      amount <= 1 ? amount * static_cast<double>(memory.room_for_kv()) : amount * (1 << 30);
  const double page = static_cast<double>(memory.kv_token) * kKvBlockTokens;
  const auto pages = static_cast<int64_t>(bytes / page);
  // Below one sequence the session's own check says what is missing.
  return std::clamp(pages, kv_blocks(options_.context), useful);
}

RunTimes BenchSession::run(const std::vector<BenchRequest>& requests, int64_t concurrency,
                           const RunHooks& hooks) {
  if (flags_.gpu_times) session_->runner().time_steps();
  RunTimes out = Runner(session_->loop(), requests, hooks).run(concurrency);
  out.steps = session_->runner().take_step_times();
  return out;
}

std::vector<BenchRequest> BenchSession::make(int64_t count, int64_t isl, int64_t osl) {
  const std::vector<int32_t> text = !flags_.random_prompts && open_.assets.tokenizer
                                        ? open_.assets.tokenizer->encode(bench_text())
                                        : std::vector<int32_t>();
  const auto vocab = static_cast<uint64_t>(session_->loop().limits().vocab_size);
  std::vector<BenchRequest> out(static_cast<size_t>(count));
  for (BenchRequest& request : out) {
    request.output = osl;
    const uint64_t stream = random_u64(static_cast<uint64_t>(flags_.seed), ++prompts_made_);
    for (uint64_t i = 0; i < static_cast<uint64_t>(isl); ++i) {
      request.prompt.push_back(text.empty() ? static_cast<int32_t>(random_below(stream, i, vocab))
                                            : text[(i + prompts_made_) % text.size()]);
    }
  }
  return out;
}

std::vector<BenchRequest> BenchSession::read_dataset(const std::string& path) const {
  const std::string text = read_file(path);
  std::vector<BenchRequest> out;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    out.push_back(dataset_request(parse_json(line, kWhere, line_name(path, number)),
                                  line_name(path, number)));
  }
  if (out.empty()) fail(ErrorCode::kInvalidArgument, kWhere, "{}: it has no requests", path);
  return out;
}

BenchRequest BenchSession::dataset_request(const Json& json, const std::string& where) const {
  if (!json.is_object()) fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object", where);
  BenchRequest request;
  request.output = json_get<int64_t>(json, "output_tokens", flags_.osl, kWhere, where);
  if (json.contains("input_ids")) {
    for (int64_t id : json_require<std::vector<int64_t>>(json, "input_ids", kWhere, where)) {
      const int64_t vocab = read_decoder_plan(open_.loaded.engine->plan).vocab_size;
      if (id < 0 || id >= vocab) {
        fail(ErrorCode::kInvalidArgument, kWhere, "{}: id {}: expected 0 to {}", where, id,
             vocab - 1);
      }
      request.prompt.push_back(static_cast<int32_t>(id));
    }
  } else {
    const auto prompt = json_require<std::string>(json, "prompt", kWhere, where);
    check_utf8(prompt, where);
    request.prompt = require_tokenizer(open_.assets, false).encode(prompt);
  }
  if (request.prompt.empty() || request.output < 1 || request.output > kMostSequence) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: expected a prompt and 1 to {} output_tokens, found {} and {}", where, kMostSequence,
         request.prompt.size(), request.output);
  }
  return request;
}

Json BenchSession::configuration() const {
  Json out = bench_model_json(flags_.model, open_);
  const ModelLimits& limits = session_->loop().limits();
  out["max_batch_size"] = limits.max_batch_rows;
  out["max_num_tokens"] = limits.max_batch_tokens;
  out["max_seq_len"] = limits.max_seq_len;
  out["kv_tokens"] = memory_.kv_tokens;
  out["kv_bytes_per_token"] = memory_.kv_token;
  out["seed"] = flags_.seed;
  out["random_prompts"] = flags_.random_prompts || !open_.assets.tokenizer;
  out["prefix_cache"] = false;
  out["knobs"] = {{"overlap", knob_bool("overlap")},
                  {"graphs", knob_bool("graphs")},
                  {"invariant", knob_bool("invariant")}};
  return out;
}

Json BenchSession::memory_json() {
  const Executor::MemoryUse use = session_->executor().memory();
  return {{"weights_bytes", memory_.weights},
          {"kv_bytes", use.states},
          {"arena_bytes", use.arena},
          {"owned_weight_bytes", use.owned_weights},
          {"free_bytes_before", memory_.free},
          {"free_bytes", open_.device->free_bytes()},
          {"rss_bytes", process_memory("VmRSS")},
          {"peak_rss_bytes", process_memory("VmHWM")}};
}

StepProfile BenchSession::time_steps(int64_t rows, int64_t isl, int64_t osl) {
  Executor& executor = session_->executor();
  const auto steps = [&] { return session_->loop().scheduler().stats().steps; };
  StepProfile out;
  executor.enable_profile(true);
  out.prefill_steps = run(make(1, isl, 1), 0).stats.steps;
  out.prefill = executor.profile();
  executor.enable_profile(false);
  int64_t first = 0;
  RunHooks hooks;
  hooks.all_started = [&] {
    first = steps();
    executor.enable_profile(true);
  };
  hooks.first_done = [&] {
    out.decode_steps = steps() - first;
    out.decode = executor.profile();
    executor.enable_profile(false);
  };
  constexpr int64_t kFewest = 8;  // tokens: some steps to take the mean of
  const int64_t room = session_->loop().limits().max_seq_len - isl;
  run(make(rows, isl, std::min(std::max(osl, kFewest), room)), 0, hooks);
  executor.enable_profile(false);
  return out;
}

Json BenchSession::profile(int64_t rows, int64_t isl, int64_t osl) {
  const StepProfile times = time_steps(rows, isl, osl);
  return {{"prefill", profile_rows(times.prefill, 1)},
          {"prefill_steps", times.prefill_steps},
          {"decode", profile_rows(times.decode, std::max<int64_t>(1, times.decode_steps))},
          {"decode_steps", times.decode_steps}};
}

}  // namespace ingot
