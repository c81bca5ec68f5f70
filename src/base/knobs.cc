#include "base/knobs.h"

#include <cctype>
#include <charconv>
#include <cstdlib>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr Knob kKnobs[] = {
    {"log", "warn", "log level: trace, debug, info, warn, error, off"},
    {"threads", "0", "compute threads; 0 means the number of CPUs this process may use"},
    {"cpu_isa", "auto", "highest CPU instruction set: scalar, avx2, avx512, avx512bf16, amx, auto"},
    {"reference", "0", "use reference kernels only"},
    {"disable_passes", "", "comma-separated graph passes to skip"},
    {"verify", "0", "verify the graph after every pass (always on in tests)"},
    {"tune_seconds", "10", "time budget of the autotuner for one build"},
    {"cache_dir", "", "engines and timing cache; empty means ~/.cache/ingot"},
    {"cache_limit_gb", "50", "most GiB of cached engines; those unused longest go; 0: no limit"},
    {"invariant", "0", "results of a sequence do not depend on what it is batched with"},
    {"overlap", "1", "submit step N before the tokens of step N-1 are read"},
    {"prefix_cache", "1", "reuse KV blocks of equal prompt prefixes"},
    {"spin_us", "50", "how long an idle compute thread spins before it sleeps, in microseconds"},
    {"pack_budget_mb", "0", "memory for a second copy of weights in another layout"},
    {"loop_iterations", "1000000", "most iterations of all loops in one run of a network"},
    {"loop_sizes", "4096", "most elements along a dimension whose size only running tells"},
    {"hub_offline", "0", "never use the network"},
};

const Knob& find(std::string_view name) {
  for (const Knob& knob : kKnobs) {
    if (knob.name == name) return knob;
  }
  check_failed(__FILE__, __LINE__, fmt::format("no knob named '{}'", name));
}

std::string variable(std::string_view name) {
  std::string out = "INGOT_";
  for (char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::span<const Knob> all_knobs() { return kKnobs; }

std::string knob_text(std::string_view name) {
  const Knob& knob = find(name);
  const char* value = std::getenv(variable(name).c_str());
  return value ? value : std::string(knob.fallback);
}

bool knob_bool(std::string_view name) {
  const std::string value = knob_text(name);
  for (std::string_view yes : {"1", "true", "on", "yes"}) {
    if (value == yes) return true;
  }
  for (std::string_view no : {"0", "false", "off", "no", ""}) {
    if (value == no) return false;
  }
  fail(ErrorCode::kInvalidArgument, "base/knobs", "{}: expected 0 or 1, found '{}'", variable(name),
       value);
}

int64_t knob_int(std::string_view name) {
  const std::string value = knob_text(name);
  int64_t out = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size()) {
    fail(ErrorCode::kInvalidArgument, "base/knobs", "{}: expected an integer, found '{}'",
         variable(name), value);
  }
  return out;
}

void set_knob(std::string_view name, std::string_view value) {
  find(name);
  ::setenv(variable(name).c_str(), std::string(value).c_str(), 1);
}

}  // namespace ingot
