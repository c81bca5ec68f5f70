#include "engine/runner_shared.h"

#include "base/knobs.h"
#include "base/log.h"

namespace ingot {
namespace {

SymbolValues merged_limits(const Plan& plan, const SymbolValues& overrides) {
  SymbolValues out = plan.limits;
  for (const auto& [name, value] : overrides) out[name] = value;
  return out;
}

}  // namespace

RunnerShared::RunnerShared(const Engine& e, Device& d, const ExecutorOptions& o)
    : engine(e),
      device(d),
      options(o),
      limits(merged_limits(e.plan, o.limits)),
      weights(e, d),
      section(find_section(e, d)),
      own_stream(o.stream ? nullptr : d.make_stream()),
      stream(o.stream ? *o.stream : *own_stream),
      wait_kernels(!d.host_visible() && knob_bool("wait_kernels")),
      most_iterations(knob_int("loop_iterations")),
      most_size(knob_int("loop_sizes")) {
  if (o.selection.reference) return;
  if (const std::string notice = section_notice(e, d); !notice.empty()) {
    spdlog::warn("engine '{}': {}", e.plan.name, notice);
  }
}

std::byte* RunnerShared::workspace(size_t bytes) {
  if (bytes > workspace_buffer.size()) {
    workspace_buffer = Buffer();
    workspace_buffer = Buffer(device, bytes);
    ++workspace_generation;
  }
  return workspace_buffer.data();
}

}  // namespace ingot
