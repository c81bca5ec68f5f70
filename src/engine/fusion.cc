#include "engine/fusion.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "kernels/kernel_def.h"
#include "ops/contract/fusion.h"

namespace ingot {
namespace {

class PlanSteps final : public StepSource {
 public:
  explicit PlanSteps(const Plan& plan)
      : plan_(plan), producers_(plan.values.size()), readers_(plan.values.size(), 0) {
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (int id : plan.steps[s].outputs) producers_[static_cast<size_t>(id)] = s;
      for (int id : std::set<int>(plan.steps[s].inputs.begin(), plan.steps[s].inputs.end())) {
        if (id != kNoValue) ++readers_[static_cast<size_t>(id)];
      }
    }
    for (int id : plan.outputs) ++readers_[static_cast<size_t>(id)];
  }
  Step step(size_t index) const override {
    const PlanStep& step = plan_.steps[index];
    return {step.op, step.attrs, step.inputs, step.outputs};
  }
  std::optional<size_t> producer(int value) const override {
    return value == kNoValue ? std::nullopt : producers_[static_cast<size_t>(value)];
  }
  size_t readers(int value) const override { return readers_[static_cast<size_t>(value)]; }
  const ValueType& type(int value) const override {
    return plan_.values[static_cast<size_t>(value)].type;
  }
  bool is_weight(int value) const override {
    return plan_.values[static_cast<size_t>(value)].kind == PlanValue::Kind::kWeight;
  }

 private:
  const Plan& plan_;
  std::vector<std::optional<size_t>> producers_;
  std::vector<size_t> readers_;
};

bool has_kernel(std::string_view device_kind, std::string_view op) {
  const auto kernels = kernels_for(device_kind, op);
  return std::any_of(kernels.begin(), kernels.end(),
                     [&](const KernelDef* kernel) { return kernel->op == op; });
}

// Whether a step that the match leaves where it is reads what would be made later than now, or
// overwrites what would be read later.
bool in_the_way(const Plan& plan, const PlanSteps& steps, const FusionMatch& match) {
  std::set<int> made, read;
  for (const FusionMatch::Step& step : match.steps) {
    made.insert(step.outputs.begin(), step.outputs.end());
    read.insert(step.inputs.begin(), step.inputs.end());
  }
  read.erase(kNoValue);
  const std::set<size_t> covers(match.covers.begin(), match.covers.end());
  for (size_t s = *covers.begin(); s < *covers.rbegin(); ++s) {
    if (covers.count(s) > 0) continue;
    const PlanStep& step = plan.steps[s];
    if (std::any_of(step.inputs.begin(), step.inputs.end(),
                    [&](int id) { return made.count(id) > 0; })) {
      return true;
    }
    for (const Effects::Alias& alias : get_op(step.op).effects.aliases) {
      const int written = plan.root(step.inputs[static_cast<size_t>(alias.input)]);
      const bool lost = std::any_of(read.begin(), read.end(), [&](int id) {
        return plan.root(id) == written && steps.producer(id).value_or(0) < s;
      });
      if (lost) return true;
    }
  }
  return false;
}

// Choices are sorted by their descriptor, which begins with the operator and its attributes.
bool chose(const DeviceSection& section, const PlanStep& step) {
  const std::string begin = step.op + attrs_text(step.attrs) + "(";
  const auto first = section.choices.lower_bound(begin);
  return first != section.choices.end() && first->first.starts_with(begin);
}

}  // namespace

std::vector<FusedStep> find_fused_steps(const Plan& plan, std::string_view device_kind) {
  std::vector<FusedStep> found;
  std::optional<PlanSteps> steps;
  for (const OpDef* op : all_ops()) {
    if (!op->match || !has_kernel(device_kind, op->name)) continue;
    if (!steps) steps.emplace(plan);
    for (size_t last = 0; last < plan.steps.size(); ++last) {
      std::optional<FusionMatch> match = op->match(*steps, last);
      if (!match) continue;
      CHECK_MSG(!match->covers.empty(), "operator '{}' matched no steps", op->name);
      if (in_the_way(plan, *steps, *match)) continue;
      std::erase_if(match->covers, [&](size_t s) { return plan.steps[s].kind == StepKind::kView; });
      std::sort(match->covers.begin(), match->covers.end());
      CHECK_MSG(!match->covers.empty() && match->covers.back() == last,
                "operator '{}' matched steps that do not end at the one asked for", op->name);
      CHECK_MSG(!match->steps.empty() && match->steps.size() <= match->covers.size(),
                "operator '{}' runs {} steps for {}", op->name, match->steps.size(),
                match->covers.size());
      const bool able = std::all_of(
          match->steps.begin(), match->steps.end(),
          [&](const FusionMatch::Step& step) { return has_kernel(device_kind, step.op); });
      if (!able) continue;
      FusedStep& fused = found.emplace_back();
      fused.op = op->name;
      fused.covers = std::move(match->covers);
      for (FusionMatch::Step& step : match->steps) {
        fused.steps.push_back({StepKind::kKernel, std::string(step.op), std::move(step.attrs),
                               std::move(step.inputs), std::move(step.outputs),
                               plan.steps[last].origin});
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const FusedStep& a, const FusedStep& b) {
    return a.covers.size() != b.covers.size() ? a.covers.size() > b.covers.size() : a.op < b.op;
  });
  return found;
}

bool TakenSteps::free(const FusedStep& fused) const {
  return std::none_of(fused.covers.begin(), fused.covers.end(),
                      [&](size_t s) { return taken_.count(s) > 0; });
}

std::vector<FusedStep> tuned_fused_steps(const Plan& plan, std::string_view device_kind,
                                         const DeviceSection* section) {
  if (!section) return {};
  std::vector<FusedStep> out = find_fused_steps(plan, device_kind);
  std::erase_if(out, [&](const FusedStep& fused) {
    return !std::all_of(fused.steps.begin(), fused.steps.end(),
                        [&](const PlanStep& step) { return chose(*section, step); });
  });
  return out;
}

}  // namespace ingot
