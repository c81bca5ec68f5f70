#include "base/knobs.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr KnobKind kSwitch = KnobKind::kSwitch;
constexpr KnobKind kNumber = KnobKind::kNumber;
constexpr KnobKind kChoice = KnobKind::kChoice;

constexpr Knob kKnobs[] = {
    {"log", "warn", "log level: trace, debug, info, warn, error, off", kChoice, 0, 0,
     "trace debug info warn error off"},
    {"log_format", "text", "log lines as text or as JSON objects: text, json", kChoice, 0, 0,
     "text json"},
    {"threads", "0", "compute threads; 0 means the number of CPUs this process may use", kNumber, 0,
     1024},
    {"cpu_isa", "auto", "highest CPU instruction set: scalar, avx2, avx512, avx512bf16, amx, auto",
     kChoice, 0, 0, "scalar avx2 avx512 avx512bf16 amx auto"},
    {"reference", "0", "use reference kernels only", kSwitch},
    {"disable_passes", "", "comma-separated graph passes to skip"},
    {"verify", "0", "verify the graph after every pass (always on in tests)", kSwitch},
    {"tune_seconds", "-1",
     "time budget of the autotuner for one build; -1: 10 on the host's processor, 60 elsewhere",
     kNumber, -1, 86400},
    {"cache_dir", "",
     "engines and timing cache; empty: ingot in $XDG_CACHE_HOME or, without that, ~/.cache"},
    {"cache_limit_gb", "50", "most GiB of cached engines; those unused longest go; 0: no limit",
     kNumber, 0, 1 << 30},
    {"invariant", "0", "results of a sequence do not depend on what it is batched with", kSwitch},
    {"overlap", "1", "submit step N before the tokens of step N-1 are read", kSwitch},
    {"graphs", "1", "replay captured graphs of decode steps on devices that can", kSwitch},
    {"wait_kernels", "0",
     "wait for every kernel of a GPU, so that the error of a faulty one names it", kSwitch},
    {"prefix_cache", "1", "reuse KV blocks of equal prompt prefixes", kSwitch},
    {"spin_us", "50", "how long an idle compute thread spins before it sleeps, in microseconds",
     kNumber, 0, 1'000'000},
    {"pack_budget_mb", "0", "memory for copies of weights in second layouts, all together", kNumber,
     0, 1 << 30},
    {"loop_iterations", "1000000", "most iterations of all loops in one run of a network", kNumber,
     0, 1LL << 40},
    {"loop_sizes", "4096", "most elements along a dimension whose size only running tells", kNumber,
     0, 1LL << 31},
    {"hub_offline", "0", "never use the network", kSwitch},
};

std::string variable(std::string_view name) {
  std::string out = "INGOT_";
  for (char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::optional<bool> parse_switch(std::string_view value) {
  for (std::string_view yes : {"1", "true", "on", "yes"}) {
    if (value == yes) return true;
  }
  for (std::string_view no : {"0", "false", "off", "no", ""}) {
    if (value == no) return false;
  }
  return std::nullopt;
}

std::optional<int64_t> parse_number(std::string_view value) {
  int64_t out = 0;
  const char* last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, out);
  return error == std::errc() && end == last ? std::optional(out) : std::nullopt;
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const size_t end = std::min(choices.find(' '), choices.size());
    if (choices.substr(0, end) == value) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

std::string text_of(const Knob& knob) {
  const char* value = std::getenv(variable(knob.name).c_str());
  return value ? value : std::string(knob.fallback);
}

// The knob's checked text; our fault if it is read as another kind than the table's.
std::string checked_text(std::string_view name, KnobKind kind) {
  const Knob& knob = find_knob(name);
  CHECK(knob.kind == kind);
  std::string value = text_of(knob);
  check_knob(knob, variable(name), value);
  return value;
}

}  // namespace

std::span<const Knob> all_knobs() { return kKnobs; }

const Knob& find_knob(std::string_view name) {
  for (const Knob& knob : kKnobs) {
    if (knob.name == name) return knob;
  }
  check_failed(__FILE__, __LINE__, fmt::format("no knob named '{}'", name));
}

void check_knob(const Knob& knob, std::string_view source, std::string_view value) {
  std::string expected;
  switch (knob.kind) {
    case KnobKind::kText:
      return;
    case KnobKind::kChoice:
      if (is_choice(knob.choices, value)) return;
      expected = fmt::format("one of {}", knob.choices);
      break;
    case KnobKind::kSwitch:
      if (parse_switch(value)) return;
      expected = "0 or 1";
      break;
    case KnobKind::kNumber: {
      const std::optional<int64_t> number = parse_number(value);
      if (number && *number >= knob.least && *number <= knob.most) return;
      expected = fmt::format("{} to {}", knob.least, knob.most);
    }
  }
  fail(ErrorCode::kInvalidArgument, "base/knobs", "{}: expected {}, found '{}'", source, expected,
       value);
}

void check_knobs() {
  for (const Knob& knob : kKnobs) check_knob(knob, variable(knob.name), text_of(knob));
}

std::string knob_text(std::string_view name) {
  const Knob& knob = find_knob(name);
  return checked_text(name, knob.kind);
}

bool knob_bool(std::string_view name) {
  return *parse_switch(checked_text(name, KnobKind::kSwitch));
}

int64_t knob_int(std::string_view name) {
  return *parse_number(checked_text(name, KnobKind::kNumber));
}

void set_knob(std::string_view name, std::string_view value) {
  find_knob(name);
  ::setenv(variable(name).c_str(), std::string(value).c_str(), 1);
}

}  // namespace ingot
