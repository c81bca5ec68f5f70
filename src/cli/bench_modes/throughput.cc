// Many requests as fast as they go: batching, the scheduler and the KV cache at work.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "cli/contract/bench_modes.h"
#include "cli/contract/step_limits.h"

namespace ingot {
namespace mode_throughput {

constexpr int64_t kBatchesOfRequests = 4;

void add_figures(const RunTimes& times, const std::vector<BenchRequest>& requests, Json& out) {
  const double seconds = times.total_ms * 1e-3;
  int64_t input = 0;
  int64_t output = 0;
  std::vector<double> first, whole, mean_gap;
  for (size_t i = 0; i < requests.size(); ++i) {
    const RequestTimes& one = times.requests[i];
    input += static_cast<int64_t>(requests[i].prompt.size());
    output += one.tokens;
    first.push_back(one.first_ms);
    whole.push_back(one.last_ms);
    if (one.tokens > 1) {
      mean_gap.push_back((one.last_ms - one.first_ms) / static_cast<double>(one.tokens - 1));
    }
  }
  const auto requests_done = static_cast<double>(requests.size());
  out["requests"] = requests.size();
  out["prompt_tokens"] = input;
  out["output_tokens"] = output;
  out["elapsed_s"] = seconds;
  out["requests_s"] = requests_done / seconds;
  out["output_tok_s"] = static_cast<double>(output) / seconds;
  out["total_tok_s"] = static_cast<double>(input + output) / seconds;
  out["ttft_ms"] = spread_json(std::move(first));
  // Of single tokens, and of each request's mean over its answer.
  out["itl_ms"] = spread_json({times.gaps_ms.begin(), times.gaps_ms.end()});
  out["tpot_ms"] = spread_json(std::move(mean_gap));
  out["request_ms"] = spread_json(std::move(whole));
  out["steps"] = times.stats.steps;
  out["mean_batch"] = static_cast<double>(times.stats.rows) /
                      static_cast<double>(std::max<int64_t>(1, times.stats.steps));
  out["mean_step_tokens"] = static_cast<double>(times.stats.tokens) /
                            static_cast<double>(std::max<int64_t>(1, times.stats.steps));
  out["preemptions"] = times.stats.preemptions;
  out["gpu"] = step_times_json(times.steps, times.total_ms);
}

// Kernels are bound, graphs captured and caches filled before anything is timed: a full batch, of
// which one after the other ends, so that smaller batches are seen too.
void warm_up(BenchSession& bench, int64_t requests, int64_t prompt) {
  constexpr int64_t kSizes = 24;
  const int64_t rows = std::min(bench.rows(), requests);
  std::vector<BenchRequest> warm = bench.make(rows, prompt, 2);
  for (int64_t i = 0; i < rows; ++i) warm[static_cast<size_t>(i)].output += i * kSizes / rows;
  bench.run(warm, 0);
}

Json measure_throughput(const BenchFlags& flags) {
  const int64_t by_device = default_rows(flags.on_gpu());
  const int64_t rows = flags.requests > 0 ? std::min(flags.requests, by_device) : by_device;
  BenchSession bench(flags, rows);
  std::vector<BenchRequest> requests;
  if (!flags.dataset.empty()) {
    requests = bench.read_dataset(flags.dataset);
    if (flags.requests > 0 && static_cast<size_t>(flags.requests) < requests.size()) {
      requests.resize(static_cast<size_t>(flags.requests));
    }
  }
  int64_t context = flags.dataset.empty() ? flags.isl + flags.osl : 0;
  for (const BenchRequest& request : requests) {
    context = std::max(context, static_cast<int64_t>(request.prompt.size()) + request.output);
  }
  bench.start(context);
  if (flags.dataset.empty()) {
    const int64_t count = flags.requests > 0 ? flags.requests : kBatchesOfRequests * bench.rows();
    requests = bench.make(count, flags.isl, flags.osl);
  }
  warm_up(bench, static_cast<int64_t>(requests.size()),
          std::clamp<int64_t>(context - 2, 1, flags.isl));
  Json out = bench.configuration();
  out["mode"] = "throughput";
  out["isl"] = flags.isl;
  out["osl"] = flags.osl;
  out["dataset"] = flags.dataset;
  out["concurrency"] = flags.concurrency;
  add_figures(bench.run(requests, flags.concurrency), requests, out);
  out["memory"] = bench.memory_json();
  out["kernels"] = bench.session().executor().kernels_used();
  if (flags.profile) out["profile"] = bench.profile(bench.rows(), flags.isl, flags.osl);
  return out;
}

void print_spread(const char* name, const Json& spread) {
  const auto number = [&](const char* key) {
    return spread[key].is_null() ? 0.0 : spread[key].get<double>();
  };
  std::printf("%-12s mean %9.2f  P50 %9.2f  P90 %9.2f  P99 %9.2f ms\n", name, number("mean"),
              number("p50"), number("p90"), number("p99"));
}

void print_throughput(const Json& out, const BenchFlags& flags) {
  print_bench_head(out, flags.model);
  const auto number = [&](const char* key) { return out[key].get<double>(); };
  std::printf("%.0f requests of %.1f + %.1f tokens in %.2f s\n", number("requests"),
              number("prompt_tokens") / number("requests"),
              number("output_tokens") / number("requests"), number("elapsed_s"));
  std::printf("requests     %9.2f /s\n", number("requests_s"));
  std::printf("output       %9.1f tok/s\n", number("output_tok_s"));
  std::printf("total        %9.1f tok/s\n", number("total_tok_s"));
  print_spread("first token", out["ttft_ms"]);
  print_spread("per token", out["itl_ms"]);
  print_spread("request", out["request_ms"]);
  std::printf("steps        %9.0f, mean batch %.1f of %.0f, %.0f preemptions\n", number("steps"),
              number("mean_batch"), number("max_batch_size"), number("preemptions"));
  print_step_times(out["gpu"]);
  if (!out.contains("profile")) return;
  print_bench_profile(out["profile"]);
}

}  // namespace mode_throughput

const BenchMode& throughput_mode() {
  using namespace mode_throughput;
  static const BenchMode mode = {"throughput", "requests a second, tokens a second, waiting times",
                                 measure_throughput, print_throughput,
                                 session_flags({"isl", "osl", "num-requests", "concurrency",
                                                "dataset", "profile", "gpu-times"})};
  return mode;
}

}  // namespace ingot
