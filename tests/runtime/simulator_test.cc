// Deterministic simulator: random arrivals, priorities, tenants, cancels, deadlines, readers that
// stop, pool sizes, shared prefixes, choices, beams, speculation, draws put off, faults and full
// queues on the oracle model, under a fake clock. After every step all invariants; at the end every
// stream equals the one worked out without KV pages. DEV_INGOT_SIM_SEEDS sets the number of seeds,
// DEV_INGOT_SIM_FIRST the first. Seeds are cut into parts, so that parts can run side by side.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "base/log.h"
#include "tests/runtime/harness.h"

namespace ingot {
namespace {

constexpr int64_t kParts = 16;

int64_t from_environment(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoll(text, nullptr, 10);
}

void print(const SimulationTotals& t) {
  fmt::print(
      "simulator: {} seeds, {} requests ({} beam, {} masked), {} tokens, {} of prompts scored, {} "
      "steps, {} rows\n"
      "  preemptions {}  evictions {}  prefix hits {} ({} tokens)  cancels {}  timeouts {}\n"
      "  too long {}  forks {}  page copies {}  drafted {}  accepted {}  dropped {}  put off {}\n"
      "  overloaded {}  faults {} in {} seeds  seeds with tenants {}  pauses {}\n",
      t.seeds, t.requests, t.beams, t.masked, t.tokens, t.scored, t.steps, t.rows,
      t.stats.preemptions, t.kv.evictions, t.stats.prefix_hits, t.stats.prefix_hit_tokens,
      t.stats.cancels, t.stats.timeouts, t.stats.refused, t.stats.forks, t.kv.copies,
      t.stats.drafted, t.stats.accepted, t.stats.dropped, t.stats.put_off, t.overloaded, t.faults,
      t.faulted, t.tenants, t.stats.pauses);
}

// Whatever a seed can meet was met.
void expect_everything(const SimulationTotals& t) {
  for (const int64_t count : {t.masked,        t.scored,
                              t.logprobs,      t.minimums,
                              t.stopped,       t.beams,
                              t.overloaded,    t.faults,
                              t.tenants,       t.stats.preemptions,
                              t.kv.evictions,  t.stats.prefix_hits,
                              t.stats.cancels, t.stats.timeouts,
                              t.stats.refused, t.stats.forks,
                              t.kv.copies,     t.stats.accepted,
                              t.stats.dropped, t.stats.pauses,
                              t.stats.put_off}) {
    EXPECT_GT(count, 0);
  }
  EXPECT_LT(t.stats.accepted, t.stats.drafted);
  EXPECT_EQ(t.groups.size(), 4u);
  EXPECT_GE(t.steps, 200 * t.seeds);
}

class Simulator : public ::testing::TestWithParam<int64_t> {};

TEST_P(Simulator, EveryStreamIsTheOraclesUnderRandomLoad) {
  const ChecksThrow scope;  // so that a broken invariant is reported with its seed
#ifdef INGOT_SANITIZED
  constexpr int64_t kSeeds = 100;  // sanitizers cost a factor of ten
#else
  constexpr int64_t kSeeds = 10'000;
#endif
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);  // faults as planned
  const int64_t seeds = from_environment("DEV_INGOT_SIM_SEEDS", kSeeds);
  const int64_t first = from_environment("DEV_INGOT_SIM_FIRST", 0);
  SimulationTotals t;
  for (int64_t seed = first + GetParam(); seed < first + seeds; seed += kParts) {
    SCOPED_TRACE("rerun with DEV_INGOT_SIM_SEEDS=1 DEV_INGOT_SIM_FIRST=" + std::to_string(seed));
    try {
      Simulation(static_cast<uint64_t>(seed)).run(t);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (HasFailure()) break;
  }
  spdlog::set_level(level);
  if (GetParam() == 0) print(t);
  if (t.seeds >= 100) expect_everything(t);  // a few seeds need not meet everything
}

INSTANTIATE_TEST_SUITE_P(Part, Simulator, ::testing::Range(int64_t{0}, kParts));

}  // namespace
}  // namespace ingot
