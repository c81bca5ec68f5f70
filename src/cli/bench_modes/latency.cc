// One request alone, and full batches that only decode.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "cli/contract/bench_modes.h"

namespace ingot {
namespace {

constexpr int64_t kWarmTokens = 4;

Json measure_latency(const BenchFlags& flags) {
  BenchSession bench(flags, 1);
  bench.start(flags.isl + flags.osl);
  bench.run(bench.make(1, flags.isl, std::min(kWarmTokens, flags.osl)), 0);
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

void print_profile(const Json& profile) {
  print_profile_rows("prefill", profile["prefill"]);
  print_profile_rows("decode step", profile["decode"]);
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
  if (out.contains("profile")) print_profile(out["profile"]);
}

// The rate of full batches: from when all sequences decode until the first is done. Adds the steps
// of that time to `steps`.
double decode_rate(BenchSession& bench, const BenchFlags& flags, int64_t batch,
                   std::vector<StepTime>& steps) {
  const RunTimes times = bench.run(bench.make(batch, flags.isl, flags.osl), 0);
  if (times.steady_tokens == 0) {
    fail(ErrorCode::kInvalidArgument, "cli/bench",
         "batch {}: its sequences did not decode together: more --osl, --kv-memory or "
         "--max-num-tokens",
         batch);
  }
  const auto steady = times.steady_steps();
  steps.insert(steps.end(), steady.begin(), steady.end());
  return per_second(times.steady_tokens, times.steady_ms);
}

Json measure_decode(const BenchFlags& flags) {
  BenchFlags mine = flags;
  if (!mine.has_batch) mine.batch = "1,8,64";
  const std::vector<int64_t> batches = mine.batches();
  const int64_t largest = *std::max_element(batches.begin(), batches.end());
  if (mine.max_batch_size > 0 && mine.max_batch_size < largest) {
    throw UsageError(
        fmt::format("--batch {}: --max-batch-size is {}", largest, mine.max_batch_size));
  }
  if (mine.osl < 2) throw UsageError("--osl: decode mode needs at least 2");
  BenchSession bench(mine, largest);
  bench.start(mine.isl + mine.osl);
  Json out = bench.configuration();
  out["mode"] = "decode";
  out["isl"] = mine.isl;
  out["osl"] = mine.osl;
  out["repeat"] = mine.repeat;
  for (int64_t batch : batches) {
    bench.run(bench.make(batch, mine.isl, std::min(kWarmTokens, mine.osl)), 0);
    std::vector<double> rates;
    std::vector<StepTime> steps;
    for (int64_t i = 0; i < mine.repeat; ++i) {
      rates.push_back(decode_rate(bench, mine, batch, steps));
    }
    const double rate = median(rates);
    Json row = {{"batch", batch},
                {"decode_tok_s", rate},
                {"ms_per_step", 1e3 * static_cast<double>(batch) / rate},
                {"runs", rates},
                {"gpu", step_times_json(steps)}};
    if (mine.profile) row["profile"] = bench.profile(batch, mine.isl, mine.osl);
    out["batches"].push_back(std::move(row));
  }
  out["memory"] = bench.memory_json();
  out["kernels"] = bench.session().executor().kernels_used();
  return out;
}

void print_decode(const Json& out, const BenchFlags& flags) {
  print_bench_head(out, flags.model);
  std::printf("decode after %s tokens, %s tokens each\n", out["isl"].dump().c_str(),
              out["osl"].dump().c_str());
  for (const Json& row : out["batches"]) {
    std::printf("batch %5ld  %10.1f tok/s  %9.3f ms a step\n",
                static_cast<long>(row["batch"].get<int64_t>()), row["decode_tok_s"].get<double>(),
                row["ms_per_step"].get<double>());
    print_step_times(row["gpu"]);
    if (row.contains("profile")) print_profile(row["profile"]);
  }
}

}  // namespace

const BenchMode& latency_mode() {
  static const BenchMode mode = {"latency", "one request alone: first token, time a token",
                                 measure_latency, print_latency};
  return mode;
}

const BenchMode& decode_mode() {
  static const BenchMode mode = {"decode", "tokens a second of full batches that only decode",
                                 measure_decode, print_decode};
  return mode;
}

const BenchMode* find_bench_mode(std::string_view name) {
  for (const BenchMode* mode :
       {&throughput_mode(), &latency_mode(), &decode_mode(), &kernels_mode()}) {
    if (mode->name == name) return mode;
  }
  return nullptr;
}

}  // namespace ingot
