#include "engine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/checked.h"

namespace ingot {

std::optional<int64_t> bytes_at(const ValueType& type, const SymbolValues& limits) {
  for (const Dim& dim : type.shape) {
    for (const std::string& name : dim.symbols()) {
      if (!limits.count(name)) return std::nullopt;
    }
  }
  // Any real memory is smaller; sums of such sizes stay far from 2^63.
  constexpr int64_t kMaxBytes = int64_t{1} << 46;
  const int64_t elements = checked_elements(evaluate(type.shape, limits), type_text(type));
  if (type.element.block && elements % type.element.block->block_elements != 0) {
    fail(ErrorCode::kInvalidArgument, "engine/memory", "{}: {} elements are not whole blocks",
         type_text(type), elements);
  }
  if (elements > kMaxBytes || type.element.bytes(elements) > kMaxBytes) {
    fail(ErrorCode::kOutOfMemory, "engine/memory", "{}: {} elements do not fit any memory",
         type_text(type), elements);
  }
  return type.element.bytes(elements);
}

MemoryPlan plan_memory(const Plan& plan, const SymbolValues& limits,
                       std::span<const FusedStep> fused) {
  struct Life {
    int first;
    int last;
  };
  std::map<int, Life> lives;  // by root value
  auto touch = [&](int id, int step) {
    if (id == kNoValue) return;
    const int root = plan.root(id);
    if (plan.values[static_cast<size_t>(root)].kind != PlanValue::Kind::kActivation) return;
    auto [it, fresh] = lives.try_emplace(root, Life{step, step});
    it->second.last = std::max(it->second.last, step);
  };
  const int end = static_cast<int>(plan.steps.size());
  std::set<int> control_outputs;  // sized by what ran, whatever their types say
  for (int s = 0; s < end; ++s) {
    const PlanStep& step = plan.steps[static_cast<size_t>(s)];
    for (int id : step.inputs) touch(id, s);
    for (int id : step.outputs) touch(id, s);
    if (is_control(step)) {
      control_outputs.insert(step.outputs.begin(), step.outputs.end());
    }
  }
  for (const FusedStep& one : fused) {
    for (const PlanStep& step : one.steps) {
      for (int id : step.inputs) touch(id, static_cast<int>(one.covers.back()));
      for (int id : step.outputs) touch(id, static_cast<int>(one.covers.back()));
    }
  }
  for (int id : plan.outputs) touch(id, end);

  MemoryPlan out;
  for (const auto& [id, life] : lives) {
    std::optional<int64_t> bytes;
    if (!control_outputs.count(id)) {
      bytes = bytes_at(plan.values[static_cast<size_t>(id)].type, limits);
    }
    if (!bytes) {
      out.dynamic.push_back(id);
      continue;
    }
    out.values.push_back(id);
    out.items.push_back({*bytes, life.first, life.last});
  }
  out.layout = solve_arena(out.items);
  return out;
}

std::string memory_text(const Plan& plan, const MemoryPlan& memory) {
  std::string out = fmt::format("arena {} bound {}\n", memory.layout.total, memory.layout.bound);
  for (size_t i = 0; i < memory.values.size(); ++i) {
    const ArenaItem& item = memory.items[i];
    out += fmt::format("{} {} {} {} {}\n", plan.values[static_cast<size_t>(memory.values[i])].name,
                       item.bytes, item.first, item.last, memory.layout.offsets[i]);
  }
  return out;
}

std::string plan_and_memory_text(const Plan& plan, const SymbolValues& limits) {
  std::string out = plan_text(plan) + "limits";
  for (const auto& [name, value] : limits) out += fmt::format(" {}={}", name, value);
  return out + "\n" + memory_text(plan, plan_memory(plan, limits));
}

}  // namespace ingot
