#include "engine/selection.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

// Symbols of the bucket over the limits.
SymbolValues merged(const Bucket& bucket, const SymbolValues& limits) {
  SymbolValues out = limits;
  for (const auto& [name, value] : bucket) out[name] = value;
  return out;
}

Shape evaluate_known(const SymShape& shape, const SymbolValues& values) {
  Shape out;
  for (const Dim& dim : shape) {
    bool known = true;
    for (const std::string& name : dim.symbols()) known &= values.count(name) > 0;
    out.push_back(known ? dim.evaluate(values) : 1);
  }
  return out;
}

bool usable(const KernelDef& kernel, const KernelDesc& desc, std::vector<std::string>* rejected) {
  std::string reason;
  if (desc.invariant && !kernel.invariant) {
    reason = "its rows depend on the batch";
  } else if (kernel.supports) {
    reason = kernel.supports(desc);
  }
  if (!reason.empty() && rejected) {
    rejected->push_back(fmt::format("{}: {}", kernel.name, reason));
  }
  return reason.empty();
}

// The kernel that a tuned choice means, if it is still the one that was measured.
const KernelDef* kernel_of(const KernelChoice& choice, std::string_view device_kind) {
  const KernelDef* kernel = find_kernel(device_kind, choice.kernel);
  if (!kernel || kernel->version != choice.version) return nullptr;
  return kernel->library_text() == choice.library ? kernel : nullptr;
}

std::vector<std::string> tactics_of(const KernelDef& kernel, const KernelDesc& desc) {
  if (!kernel.tactics) return {""};
  std::vector<std::string> out = kernel.tactics(desc);
  return out;
}

}  // namespace

KernelDesc describe(const Plan& plan, const PlanStep& step, const Bucket& bucket,
                    const SymbolValues& limits, const std::vector<int64_t>& segments,
                    bool invariant) {
  const SymbolValues values = merged(bucket, limits);
  KernelDesc desc;
  desc.op = step.op;
  desc.attrs = step.attrs;
  desc.invariant = invariant;
  auto operand = [&](int id, size_t index, bool input) {
    OperandDesc out;
    out.present = id != kNoValue;
    if (!out.present) return out;
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    out.type = value.type.element;
    out.shape = evaluate_known(value.type.shape, values);
    out.constant = value.kind == PlanValue::Kind::kWeight;
    out.state = value.type.state;
    if (input && index < segments.size()) out.segments = segments[index];
    return out;
  };
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    desc.inputs.push_back(operand(step.inputs[i], i, true));
  }
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    desc.outputs.push_back(operand(step.outputs[i], i, false));
  }
  return desc;
}

std::vector<Selection> candidates(const KernelDesc& desc, std::string_view device_kind,
                                  std::vector<std::string>* rejected) {
  std::vector<Selection> out;
  const KernelDef* reference = &reference_kernel();
  auto rank = [&](const KernelDef* kernel) {
    return kernel->rank ? kernel->rank(desc) : kernel->priority;
  };
  std::vector<const KernelDef*> kernels = kernels_for(device_kind, desc.op);
  std::stable_sort(kernels.begin(), kernels.end(), [&](const KernelDef* a, const KernelDef* b) {
    return a != reference && (b == reference || rank(a) > rank(b));
  });
  for (const KernelDef* kernel : kernels) {
    if (kernel == reference && !out.empty()) continue;
    if (!usable(*kernel, desc, rejected)) continue;
    for (std::string& tactic : tactics_of(*kernel, desc)) {
      out.push_back({kernel, std::move(tactic), false});
    }
  }
  return out;
}

bool keeps_layouts(const Selection& choice, const KernelDesc& desc, const SelectionOptions& options,
                   const LayoutFilter& allowed) {
  if (!choice.kernel->layout || (!options.canonical && !allowed)) return true;
  for (size_t i = 0; i < desc.inputs.size(); ++i) {
    if (!desc.inputs[i].present || !desc.inputs[i].constant) continue;
    const std::string name = choice.kernel->layout(desc, choice.tactic, i).name;
    if (!name.empty() && (options.canonical || !allowed(i, name))) return false;
  }
  return true;
}

Selection select_kernel(const KernelDesc& desc, std::string_view device_kind,
                        const DeviceSection* section, const SelectionOptions& options,
                        const LayoutFilter& allowed) {
  if (options.reference) return {&reference_kernel(), "", false};
  if (section) {
    auto it = section->choices.find(desc.text());
    if (it != section->choices.end()) {
      const KernelDef* kernel = kernel_of(it->second, device_kind);
      if (kernel && usable(*kernel, desc, nullptr)) {
        const std::vector<std::string> tactics = tactics_of(*kernel, desc);
        const bool known =
            std::find(tactics.begin(), tactics.end(), it->second.tactic) != tactics.end();
        const Selection tuned = {kernel, it->second.tactic, true};
        if (known && keeps_layouts(tuned, desc, options, allowed)) return tuned;
      }
    }
  }
  const std::vector<Selection> all = candidates(desc, device_kind);
  CHECK(!all.empty());
  for (const Selection& choice : all) {
    if (keeps_layouts(choice, desc, options, allowed)) return choice;
  }
  return {&reference_kernel(), "", false};
}

bool may_run(const KernelDef& kernel, const KernelDesc& desc) {
  return usable(kernel, desc, nullptr);
}

void LayoutVotes::add(const std::string& weight, const std::string& layout, size_t bytes,
                      size_t bucket) {
  if (layout.empty()) return;
  auto [it, fresh] = weights_[weight].try_emplace(layout);
  Layout& found = it->second;
  found.bucket = fresh ? bucket : std::min(found.bucket, bucket);
  found.bytes = bytes;
  ++found.votes;
}

LayoutVotes::Allowed LayoutVotes::settle(int64_t budget) const {
  Allowed out;
  for (const auto& [weight, layouts] : weights_) {
    if (layouts.size() < 2) continue;
    std::vector<std::pair<std::string, Layout>> ranked(layouts.begin(), layouts.end());
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
      if (a.second.votes != b.second.votes) return a.second.votes > b.second.votes;
      return a.second.bucket < b.second.bucket;
    });
    std::set<std::string, std::less<>> allowed = {ranked.front().first};
    for (size_t i = 1; i < ranked.size(); ++i) {
      const auto bytes = static_cast<int64_t>(ranked[i].second.bytes);
      if (bytes > budget) continue;
      budget -= bytes;
      allowed.insert(ranked[i].first);
    }
    if (allowed.size() < layouts.size()) out.emplace(weight, std::move(allowed));
  }
  return out;
}

const DeviceSection* find_section(const Engine& engine, const Device& device) {
  const std::string identity = device.identity();
  for (const DeviceSection& section : engine.devices) {
    if (section.device == identity) return &section;
  }
  return nullptr;
}

std::string section_notice(const Engine& engine, const Device& device) {
  if (engine.devices.empty()) return "";
  const DeviceSection* section = find_section(engine, device);
  if (!section) {
    return fmt::format("tuned for '{}', not for this device '{}': heuristics choose its kernels",
                       engine.devices[0].device, device.identity());
  }
  size_t stale = 0;
  std::string example;
  for (const auto& [desc, choice] : section->choices) {
    if (kernel_of(choice, device.kind())) continue;
    if (stale++ == 0) {
      example = fmt::format("{} version {}{}{}", choice.kernel, choice.version,
                            choice.library.empty() ? "" : ", ", choice.library);
    }
  }
  if (stale == 0) return "";
  return fmt::format(
      "{} of {} tuned choices are of other kernels than here (first: {}): heuristics", stale,
      section->choices.size(), example);
}

}  // namespace ingot
