#include "cli/contract/bench_modes.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace ingot {
namespace {

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const BenchMode* find_bench_mode(std::string_view name) {
  for (const BenchMode* mode : cli_mode_list()) {
    if (mode->name == name) return mode;
  }
  return nullptr;
}

std::string bench_mode_names() {
  const auto& modes = cli_mode_list();
  std::string out;
  for (size_t i = 0; i < modes.size(); ++i) {
    if (i > 0) out += i + 1 == modes.size() ? " or " : ", ";
    out += modes[i]->name;
  }
  return out;
}

void check_mode_flags(const BenchMode* mode, const std::vector<std::string>& plain,
                      const std::vector<std::string>& given) {
  for (const std::string& name : given) {
    if (holds(mode ? mode->flags : plain, name)) continue;
    std::vector<std::string> others;
    for (const BenchMode* other : cli_mode_list()) {
      if (holds(other->flags, name)) others.push_back(fmt::format("'bench {}'", other->name));
    }
    if (holds(plain, name)) others.emplace_back("'bench' without a mode");
    if (others.empty()) continue;  // every mode's: --json
    const std::string here =
        mode ? fmt::format("'bench {}'", mode->name) : "'bench' without a mode";
    throw UsageError(
        fmt::format("--{}: {} does not read it, but {}", name, here, fmt::join(others, ", ")));
  }
}

}  // namespace ingot
