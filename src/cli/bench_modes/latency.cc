// One request alone.
#include <algorithm>
#include <cstdio>

#include "cli/contract/bench_modes.h"

namespace ingot {
namespace mode_latency {

Json measure_latency(const BenchFlags& flags) {
  BenchSession bench(flags, 1);
  bench.start(flags.isl + flags.osl);
  bench.run(bench.make(1, flags.isl, std::min(kBenchWarmTokens, flags.osl)), 0);
  std::vector<double> first, token, whole;
  std::vector<double> gaps;
  std::vector<StepTime> steps;
  for (int64_t i = 0; i < flags.repeat; ++i) {
    const RunTimes times = bench.run(bench.make(1, flags.isl, flags.osl), 0);
    const RequestTimes& one = times.requests[0];
    first.push_back(one.first_ms);
    whole.push_back(one.last_ms);
    gaps.insert(gaps.end(), times.gaps_ms.begin(), times.gaps_ms.end());
    steps.insert(steps.end(), times.steps.begin(), times.steps.end());
    if (one.tokens > 1) {
      token.push_back((one.last_ms - one.first_ms) / static_cast<double>(one.tokens - 1));
    }
  }
  Json out = bench.configuration();
  out["mode"] = "latency";
  out["isl"] = flags.isl;
  out["osl"] = flags.osl;
  out["repeat"] = flags.repeat;
  out["ttft_ms"] = median(first);
  out["ms_per_token"] = token.empty() ? Json() : Json(median(token));
  out["request_ms"] = median(whole);
  out["prefill_tok_s"] = per_second(flags.isl, median(first));
  out["itl_ms"] = spread_json(std::move(gaps));
  out["gpu"] = step_times_json(steps);
  out["ttft_runs"] = first;
  out["ms_per_token_runs"] = token;
  out["memory"] = bench.memory_json();
  out["kernels"] = bench.session().executor().kernels_used();
  if (flags.profile) out["profile"] = bench.profile(1, flags.isl, flags.osl);
  return out;
}

void print_latency(const Json& out, const BenchFlags& flags) {
  print_bench_head(out, flags.model);
  std::printf("first token       %9.2f ms (%.0f tokens, %.0f tok/s)\n",
              out["ttft_ms"].get<double>(), out["isl"].get<double>(),
              out["prefill_tok_s"].get<double>());
  if (!out["ms_per_token"].is_null()) {
    const double ms = out["ms_per_token"].get<double>();
    std::printf("per token         %9.3f ms (%.1f tok/s)\n", ms, 1e3 / ms);
  }
  std::printf("request           %9.2f ms\n", out["request_ms"].get<double>());
  print_step_times(out["gpu"]);
  if (out.contains("profile")) print_bench_profile(out["profile"]);
}

}  // namespace mode_latency

const BenchMode& latency_mode() {
  using namespace mode_latency;
  static const BenchMode mode = {"latency", "one request alone: first token, time a token",
                                 measure_latency, print_latency,
                                 session_flags({"isl", "osl", "repeat", "profile", "gpu-times"})};
  return mode;
}

}  // namespace ingot
