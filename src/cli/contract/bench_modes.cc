#include "cli/contract/bench_modes.h"

namespace ingot {

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

}  // namespace ingot
