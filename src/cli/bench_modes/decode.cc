// Full batches that only decode.
#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "cli/contract/bench_modes.h"

namespace ingot {
namespace mode_decode {

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
  const int64_t largest = mine.largest_batch();
  if (mine.osl < 2) throw UsageError("--osl: decode mode needs at least 2");
  BenchSession bench(mine, largest);
  bench.start(mine.isl + mine.osl);
  Json out = bench.configuration();
  out["mode"] = "decode";
  out["isl"] = mine.isl;
  out["osl"] = mine.osl;
  out["repeat"] = mine.repeat;
  for (int64_t batch : batches) {
    bench.run(bench.make(batch, mine.isl, std::min(kBenchWarmTokens, mine.osl)), 0);
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
    if (row.contains("profile")) print_bench_profile(row["profile"]);
  }
}

}  // namespace mode_decode

const BenchMode& decode_mode() {
  using namespace mode_decode;
  static const BenchMode mode = {
      "decode", "tokens a second of full batches that only decode", measure_decode, print_decode,
      session_flags({"isl", "osl", "batch", "repeat", "profile", "gpu-times"})};
  return mode;
}

}  // namespace ingot
