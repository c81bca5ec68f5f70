// Load on a server of OpenAI's API, whoever wrote it.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "cli/contract/bench_modes.h"
#include "cli/contract/build_commit.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/environment.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/openai_server.h"
#include "cli/contract/serve_figures.h"
#include "cli/contract/serve_prompts.h"

namespace ingot {
namespace mode_serve {

constexpr int64_t kDefaultRequests = 100;
constexpr size_t kParts = 120;  // of the run, in the plots over time

std::vector<ServePrompt> prompts_of(const BenchFlags& flags, int64_t first, int64_t count) {
  std::vector<ServePrompt> out;
  if (!flags.dataset.empty()) {
    const std::vector<ServePrompt> all = read_serve_dataset(flags.dataset, flags.osl);
    const int64_t wanted = flags.requests > 0 ? count : static_cast<int64_t>(all.size());
    for (int64_t i = 0; i < wanted; ++i) out.push_back(all[static_cast<size_t>(i) % all.size()]);
    return out;
  }
  for (int64_t i = first; i < first + count; ++i) {
    const Json prompt = flags.random_prompts
                            ? random_ids(flags.seed, i, flags.isl, flags.serve.vocab)
                            : Json(random_words(flags.seed, i, flags.isl));
    out.push_back({prompt, false, flags.osl});
  }
  return out;
}

// What is asked, and how its parts are told apart.
struct Asked {
  std::string model;
  bool ids = false;  // of the server's own fields: ids come, where there is no text
};

// A server without a tokenizer takes prompts of ids alone; no other is asked what it is.
Asked asked_of(const BenchFlags& flags, const HttpTarget& target,
               const std::vector<ServePrompt>& prompts) {
  Asked out;
  out.model =
      flags.model.model.empty() ? server_models(target, "cli/bench").front() : flags.model.model;
  const bool ids = std::ranges::all_of(prompts, [](const ServePrompt& prompt) {
    return prompt.prompt.is_array() && !prompt.messages;
  });
  out.ids = ids && !flags.serve.no_stream && answers_ids_alone(target, out.model);
  return out;
}

std::vector<std::string> bodies_of(const BenchFlags& flags, const Asked& asked,
                                   const std::vector<ServePrompt>& prompts) {
  std::vector<std::string> out;
  for (const ServePrompt& prompt : prompts) {
    Json body = {{"model", asked.model}};
    body.update(serve_body(prompt, flags.serve.endpoint == "chat"));
    body["temperature"] = 0;
    if (flags.serve.ignore_eos) body["ignore_eos"] = true;
    if (asked.ids) body["return_token_ids"] = true;
    body["stream"] = !flags.serve.no_stream;
    if (!flags.serve.no_stream) body["stream_options"] = {{"include_usage", true}};
    out.push_back(body.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return out;
}

Json configuration(const BenchFlags& flags, const std::string& model, size_t requests) {
  const ServeFlags& serve = flags.serve;
  return {{"mode", "serve"},
          {"version", INGOT_VERSION},
          {"commit", build_commit()},
          {"url", serve.url},
          {"endpoint", serve.endpoint},
          {"model", model},
          {"requests", requests},
          {"concurrency", flags.concurrency},
          {"rate", serve.rate},
          {"fixed_rate", serve.fixed_rate},
          {"dataset", flags.dataset},
          {"random_prompts", flags.random_prompts},
          {"vocab", serve.vocab},
          {"isl", flags.isl},
          {"osl", flags.osl},
          {"ignore_eos", serve.ignore_eos},
          {"stream", !serve.no_stream},
          {"seed", flags.seed},
          {"warmup", serve.warmup},
          {"retry", serve.retry},
          {"timeout_s", serve.timeout},
          {"slo_ttft_ms", serve.slo_ttft},
          {"slo_tpot_ms", serve.slo_tpot},
          {"slo_e2e_ms", serve.slo_e2e}};
}

Json measure_serve(const BenchFlags& flags) {
  const ServeFlags& serve = flags.serve;
  serve.check();
  const std::string why = serve.report.empty() ? "" : why_not_writable(serve.report);
  if (!why.empty()) fail(ErrorCode::kIo, "cli/bench", "{}: {}", serve.report, why);
  const bool stream = !serve.no_stream;
  ClientOptions client;
  client.api_key = serve.api_key;
  client.quiet_timeout = std::chrono::milliseconds(static_cast<int64_t>(serve.timeout * 1e3));
  const HttpTarget target(server_url(serve.url), client);
  const int64_t count = flags.requests > 0 ? flags.requests : kDefaultRequests;
  const std::vector<ServePrompt> prompts = prompts_of(flags, 0, count);
  const Asked asked = asked_of(flags, target, prompts);
  const auto bodies = bodies_of(flags, asked, prompts);
  ServeLoadOptions options;
  options.path = serve.endpoint == "chat" ? "/v1/chat/completions" : "/v1/completions";
  options.stream = stream;
  options.concurrency = flags.concurrency;
  options.retry = serve.retry;
  catch_interrupts(true);
  if (serve.warmup > 0) {
    BenchFlags warm = flags;
    warm.dataset.clear();  // its prompts would be in the server's cache
    const auto first = bodies_of(warm, asked, prompts_of(warm, count, serve.warmup));
    options.arrivals.assign(first.size(), 0);
    run_load(target, first, options, "warm-up");
  }
  options.arrivals =
      arrival_times(static_cast<int64_t>(bodies.size()), serve.rate, serve.fixed_rate, flags.seed);
  const ServeResult result = run_load(target, bodies, options, "requests");
  const ServeGoals goals = {serve.slo_ttft, serve.slo_tpot, serve.slo_e2e};
  const ServeSamples samples = serve_samples(result, stream, goals);
  Json out = serve_figures(result, samples, goals);
  out["configuration"] = configuration(flags, asked.model, bodies.size());
  print_serve_figures(out, stderr);
  if (!serve.report.empty()) {
    AtomicFile file(serve.report);
    file.write(serve_report(out, samples, serve_timeline(result, kParts)));
    file.commit();
  }
  return out;
}

std::vector<std::string> flags_read() {
  std::vector<std::string> out = ServeFlags::names();
  for (const char* name :
       {"isl", "osl", "num-requests", "concurrency", "dataset", "random-prompts", "seed"}) {
    out.emplace_back(name);
  }
  return out;
}

// The table is on standard error, with --json too.
void print_nothing(const Json&, const BenchFlags&) {}

}  // namespace mode_serve

const BenchMode& serve_mode() {
  using namespace mode_serve;
  static const BenchMode mode = {.name = "serve",
                                 .help = "load on a server of OpenAI's API (--url)",
                                 .measure = measure_serve,
                                 .print = print_nothing,
                                 .flags = flags_read(),
                                 .opens_model = false};
  return mode;
}

}  // namespace ingot
