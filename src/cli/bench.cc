#include <algorithm>
#include <cstdio>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cli/contract/bench_modes.h"
#include "cli/contract/flag_names.h"

namespace ingot {
namespace command_bench {

class Bench final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("mode", &first_,
                   bench_mode_names() + "; without one, prefill and decode are measured", false);
    flags.argument("model", &second_,
                   "engine, checkpoint, Hugging Face directory, .gguf or hub name; serve: its name "
                   "there, by default the first",
                   false);
    flags_.declare(flags);
    flags.flag("prompt-tokens", &prompt_tokens_, "no mode: length of the prompt of timed prefill");
    flags.flag("decode-prompt", &decode_prompt_, "no mode: prompt before timed decoding");
    flags.flag("decode-tokens", &decode_tokens_, "no mode: tokens decoded");
    flags.given(&given_);
  }

  int run() override {
    const BenchMode* mode = find_bench_mode(first_);
    if (!mode && !second_.empty()) {
      throw UsageError(fmt::format("expected {}, found '{}'", bench_mode_names(), first_));
    }
    check_mode_flags(mode, flags_read(), given_);
    const bool opens = !mode || mode->opens_model;
    model_.model = opens ? model_or_preset(mode ? second_ : first_, flags_.preset) : second_;
    flags_.check();
    if (mode) return run_mode(*mode);
    const std::vector<int64_t> batches = flags_.batches();
    if (batches.size() != 1) throw UsageError("--batch: a list is for 'ingot bench decode'");
    batch_ = batches[0];
    repeat_ = flags_.repeat;
    return run_plain();
  }

 private:
  // Without a mode.
  static std::vector<std::string> flags_read() {
    FlagNames model;
    ModelFlags().declare_options(model);
    std::vector<std::string> out = std::move(model.names);
    for (const char* name : {"prompt-tokens", "decode-prompt", "decode-tokens", "batch", "repeat",
                             "random-weights", "random-prompts", "seed", "profile"}) {
      out.emplace_back(name);
    }
    return out;
  }

  int run_mode(const BenchMode& mode) {
    const Json out = mode.measure(flags_);
    json ? print_json(out) : mode.print(out, flags_);
    if (out.value("interrupted", false)) return kInterrupted;
    return out.value("completed", 1) > 0 ? 0 : 1;
  }

  int run_plain() {
    if (prompt_tokens_ < 1 || decode_prompt_ < 1 || decode_tokens_ < 2) {
      throw UsageError("lengths must be at least 1, decode-tokens at least 2");
    }
    for (const auto& [flag, value] :
         {std::pair("prompt-tokens", prompt_tokens_), std::pair("decode-prompt", decode_prompt_),
          std::pair("decode-tokens", decode_tokens_)}) {
      check_range(flag, value, 1, kMostSequence);
    }
    open_ = model_.open();
    check_lengths(engine_context(*open_.loaded.engine));
    SessionOptions options;
    options.context = std::max(prompt_tokens_ + 1, decode_prompt_ + decode_tokens_);
    options.sequences = batch_;
    options.reference = model_.reference;
    options.prefix_cache = false;
    const Stopwatch ready;
    TextSession session(open_.loaded.engine, *open_.device, options);
    vocab_ = session.loop().limits().vocab_size;
    Json out = configuration(session);
    timed(session, 1, prompt_tokens_, 2);  // binds kernels, touches weights
    timed(session, batch_, decode_prompt_, 4);
    out["session_ms"] = ready.ms();
    measure(session, out);
    if (flags_.profile) out["profile"] = profiles(session);
    const Executor::MemoryUse memory = session.executor().memory();
    out["memory"] = {{"kv_bytes", memory.states},
                     {"arena_bytes", memory.arena},
                     {"packed_weight_bytes", memory.owned_weights},
                     {"rss_bytes", process_memory("VmRSS")},
                     {"peak_rss_bytes", process_memory("VmHWM")}};
    out["kernels"] = session.executor().kernels_used();
    print(out);
    return 0;
  }

  struct Times {
    double first_ms = 0;   // from submission until every sequence had its first token
    double decode_ms = 0;  // from then to the end
    int64_t decoded = 0;   // tokens in that time
  };

  void check_lengths(int64_t context) const {
    const int64_t wanted = std::max(prompt_tokens_ + 1, decode_prompt_ + decode_tokens_);
    if (wanted <= context) return;
    fail(ErrorCode::kInvalidArgument, "cli/bench", "{} tokens: the model's context holds {}",
         wanted, context);
  }

  std::vector<int32_t> prompt(int64_t length) {
    std::vector<int32_t> out;
    const std::vector<int32_t> text = !flags_.random_prompts && open_.assets.tokenizer
                                          ? open_.assets.tokenizer->encode(bench_text())
                                          : std::vector<int32_t>();
    ++prompts_made_;
    for (int64_t i = 0; i < length; ++i) {
      const auto at = static_cast<uint64_t>(i);
      out.push_back(text.empty()
                        ? static_cast<int32_t>(random_below(
                              random_u64(static_cast<uint64_t>(flags_.seed), prompts_made_), at,
                              static_cast<uint64_t>(vocab_)))
                        : text[(at + prompts_made_) % text.size()]);
    }
    return out;
  }

  Times timed(TextSession& session, int64_t sequences, int64_t length, int64_t tokens) {
    std::vector<std::shared_ptr<Outbox>> boxes;
    const Stopwatch watch;
    for (int64_t s = 0; s < sequences; ++s) {
      Request request;
      request.prompt = prompt(length);
      request.sampling.max_tokens = tokens;
      request.sampling.ignore_eos = true;
      boxes.push_back(session.loop().submit(std::move(request)));
    }
    Times out;
    std::vector<int64_t> counts(boxes.size(), 0);
    size_t started = 0, done = 0;
    while (done < boxes.size()) {
      session.loop().step();
      const bool counting = started == boxes.size();
      for (size_t b = 0; b < boxes.size(); ++b) {
        while (const TokenEvent* event = boxes[b]->poll()) {
          if (event->finish == FinishReason::kInternal ||
              event->finish == FinishReason::kBadLogits ||
              event->finish == FinishReason::kOutOfMemory) {
            fail(ErrorCode::kInternal, "cli/bench", "a step failed; the log says more");
          }
          started += counts[b] == 0 && event->count > 0;
          counts[b] += event->count;
          if (counting) out.decoded += event->count;
          done += event->request_done;
        }
      }
      if (!counting && started == boxes.size()) out.first_ms = watch.ms();
    }
    out.decode_ms = watch.ms() - out.first_ms;
    return out;
  }

  Json configuration(TextSession& session) {
    Json out = bench_model_json(model_, open_);
    out["prompt_tokens"] = prompt_tokens_;
    out["decode_prompt"] = decode_prompt_;
    out["decode_tokens"] = decode_tokens_;
    out["batch"] = batch_;
    out["repeat"] = repeat_;
    out["step_tokens"] = session.loop().limits().max_batch_tokens;
    out["random_prompts"] = flags_.random_prompts || !open_.assets.tokenizer;
    out["seed"] = flags_.seed;
    return out;
  }

  void measure(TextSession& session, Json& out) {
    std::vector<double> prefill, decode, batch;
    for (int64_t i = 0; i < repeat_; ++i) {
      prefill.push_back(per_second(prompt_tokens_, timed(session, 1, prompt_tokens_, 1).first_ms));
      const Times one = timed(session, 1, decode_prompt_, decode_tokens_);
      decode.push_back(per_second(one.decoded, one.decode_ms));
      if (batch_ == 1) continue;
      const Times many = timed(session, batch_, decode_prompt_, decode_tokens_);
      batch.push_back(per_second(many.decoded, many.decode_ms));
    }
    out["prefill_tok_s"] = median(prefill);
    out["decode_tok_s"] = median(decode);
    out["decode_ms_per_token"] = 1e3 / median(decode);
    out["batch_decode_tok_s"] = batch_ == 1 ? median(decode) : median(batch);
    out["prefill_runs"] = prefill;
    out["decode_runs"] = decode;
    out["batch_decode_runs"] = batch;
  }

  // Microseconds of each step, as launched one after the other.
  Json profiles(TextSession& session) {
    Json out;
    const auto table = [&](const char* name, int64_t length, int64_t tokens) {
      session.executor().enable_profile(true);
      timed(session, 1, length, tokens);
      for (const StepTiming& step : session.executor().profile()) {
        out[name].push_back({{"op", step.op},
                             {"kernel", step.kernel},
                             {"origin", step.origin},
                             {"us", step.microseconds}});
      }
      session.executor().enable_profile(false);
    };
    table("prefill", prompt_tokens_, 1);
    table("decode", 1, decode_tokens_);
    return out;
  }

  static void print_profile(const std::string& name, const Json& steps) {
    std::map<std::string, std::pair<double, int>> rows;
    double total = 0;
    for (const Json& step : steps) {
      auto& row = rows[fmt::format("{:<20} {}", step["op"].get<std::string>(),
                                   step["kernel"].get<std::string>())];
      row.first += step["us"].get<double>();
      ++row.second;
      total += step["us"].get<double>();
    }
    std::vector<std::pair<std::string, std::pair<double, int>>> sorted(rows.begin(), rows.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
    std::printf("%s: %.2f ms\n", name.c_str(), total * 1e-3);
    for (const auto& [row, sum] : sorted) {
      std::printf("  %9.1f us %5.1f%% %4d steps  %s\n", sum.first, 100 * sum.first / total,
                  sum.second, row.c_str());
    }
  }

  void print(const Json& out) const {
    if (json) {
      print_json(out);
      return;
    }
    print_bench_head(out, model_);
    std::printf("prefill(%ld)       %9.1f tok/s\n", static_cast<long>(prompt_tokens_),
                out["prefill_tok_s"].get<double>());
    std::printf("decode            %9.1f tok/s\n", out["decode_tok_s"].get<double>());
    std::printf("decode, %2ld seqs   %9.1f tok/s\n", static_cast<long>(batch_),
                out["batch_decode_tok_s"].get<double>());
    std::printf("resident memory   %9.1f MB (peak %.1f MB)\n",
                out["memory"]["rss_bytes"].get<double>() * 1e-6,
                out["memory"]["peak_rss_bytes"].get<double>() * 1e-6);
    if (!out.contains("profile")) return;
    for (const auto& [name, steps] : out["profile"].items()) print_profile(name, steps);
  }

  std::string first_;   // a mode, or the model
  std::string second_;  // the model of a mode
  std::vector<std::string> given_;
  BenchFlags flags_;
  ModelFlags& model_ = flags_.model;
  OpenModel open_;
  int64_t vocab_ = 0;
  uint64_t prompts_made_ = 0;
  int64_t prompt_tokens_ = 512;
  int64_t decode_prompt_ = 512;
  int64_t decode_tokens_ = 64;
  int64_t batch_ = 8;
  int64_t repeat_ = 3;
};

}  // namespace command_bench

const CommandDef& bench_command() {
  using namespace command_bench;
  static const CommandDef def = {
      .name = "bench",
      .help = "measure the speed of a text model, or of a server",
      .example = "ingot bench throughput --random-weights smollm2-135m --isl 128 --osl 128 --json",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Bench>()); }};
  return def;
}

}  // namespace ingot
