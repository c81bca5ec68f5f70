// Which kernels run a plan's steps in each bucket, and in which order: the choice, the layouts of
// weights that it asks for, fused steps in place of others, instances on first use.
#include <algorithm>

#include "engine/idle_steps.h"
#include "engine/plan_runner.h"

namespace ingot {

KernelDesc PlanRunner::describe_step(const PlanStep& step, const BoundStep& bound,
                                     size_t bucket) const {
  KernelDesc desc = describe(plan_, step, buckets_[bucket], shared_.limits, bound.segment_counts,
                             shared_.options.selection.invariant);
  desc.capability = shared_.device.capability();
  return desc;
}

Selection PlanRunner::select(const PlanStep& step, const BoundStep& bound, size_t bucket) {
  SelectionOptions options = shared_.options.selection;
  options.canonical |= shared_.options.weight_memory_limit > 0;
  // In invariant mode one tactic serves every bucket, or results would change with the batch.
  if (options.invariant && !plan_.buckets.empty()) bucket = plan_.buckets.size() - 1;
  const KernelDesc desc = describe_step(step, bound, bucket);
  auto [it, fresh] = shared_.selections.try_emplace(desc.text());
  if (fresh) {
    it->second = select_kernel(desc, shared_.device.kind(), shared_.section, options);
  }
  if (shared_.layouts.empty()) return it->second;
  const LayoutFilter allowed = [&](size_t input, std::string_view layout) {
    const PlanValue& value = plan_.values[static_cast<size_t>(step.inputs[input])];
    const auto settled = shared_.layouts.find(WeightStore::key(value));
    return settled == shared_.layouts.end() || settled->second.count(layout) > 0;
  };
  if (keeps_layouts(it->second, desc, options, allowed)) return it->second;
  return select_kernel(desc, shared_.device.kind(), shared_.section, options, allowed);
}

void PlanRunner::vote_layouts(LayoutVotes& votes) {
  for (const auto& body : bodies_) body->vote_layouts(votes);
  std::map<std::string, bool> packing;  // by operator: most have no kernel that packs
  for (size_t s = 0; s < steps_.size(); ++s) {
    const PlanStep& step = step_at(s);
    if (step.kind == StepKind::kView || is_control(step)) continue;
    auto [op, fresh] = packing.try_emplace(step.op);
    if (fresh) {
      const auto kernels = kernels_for(shared_.device.kind(), step.op);
      op->second = std::any_of(kernels.begin(), kernels.end(),
                               [](const KernelDef* kernel) { return kernel->layout != nullptr; });
    }
    if (!op->second) continue;
    for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      if (is_idle_in(plan_, step, buckets_[bucket])) continue;
      const Selection selection = select(step, steps_[s], bucket);
      if (!selection.kernel->layout) continue;
      const KernelDesc desc = describe_step(step, steps_[s], bucket);
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        if (!desc.inputs[i].present || !desc.inputs[i].constant) continue;
        const WeightLayout layout = selection.kernel->layout(desc, selection.tactic, i);
        if (layout.name.empty()) continue;
        const PlanValue& value = plan_.values[static_cast<size_t>(step.inputs[i])];
        votes.add(WeightStore::key(value), layout.name, layout.packed_bytes(desc.inputs[i]),
                  bucket);
      }
    }
  }
}

std::vector<size_t> PlanRunner::launch_order(size_t bucket) {
  const size_t own = plan_.steps.size();
  const auto idle = [&](const PlanStep& step) { return is_idle_in(plan_, step, buckets_[bucket]); };
  std::vector<std::vector<size_t>> places(own);  // what runs where a step of the plan would
  for (size_t s = 0; s < own; ++s) {
    const PlanStep& step = plan_.steps[s];
    if (step.kind != StepKind::kView && !idle(step)) places[s] = {s};
  }
  TakenSteps taken;
  size_t next = own;
  for (const FusedStep& fused : fused_) {
    const size_t first = next;
    next += fused.steps.size();
    if (!taken.free(fused) || idle(fused.steps.front())) continue;
    bool tuned = true;
    for (size_t s = first; s < next; ++s) {
      tuned = tuned && select(step_at(s), steps_[s], bucket).tuned;
    }
    if (!tuned) continue;
    taken.take(fused);
    for (size_t s : fused.covers) places[s].clear();
    for (size_t s = first; s < next; ++s) places[fused.covers.back()].push_back(s);
  }
  std::vector<size_t> order;
  for (const std::vector<size_t>& steps : places) {
    order.insert(order.end(), steps.begin(), steps.end());
  }
  return order;
}

void PlanRunner::prepare_step(size_t index, size_t bucket) {
  const PlanStep& step = step_at(index);
  BoundStep& bound = steps_[index];
  if (is_control(step)) return;
  const Selection selection = select(step, bound, bucket);
  const KernelDesc desc = describe_step(step, bound, bucket);
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kNoValue) continue;
    const PlanValue& value = plan_.values[static_cast<size_t>(step.inputs[i])];
    if (value.kind != PlanValue::Kind::kWeight) continue;
    const WeightLayout layout = selection.kernel->layout
                                    ? selection.kernel->layout(desc, selection.tactic, i)
                                    : WeightLayout{};
    bound.weight_views[i] = shared_.weights.view(value, layout);
  }
  bound.instances[bucket] = selection.kernel->prepare(desc, selection.tactic);
  bound.kernels[bucket] = std::string(selection.kernel->name);
  shared_.kernels_used.insert(bound.kernels[bucket]);
  if (!selection.kernel->capturable) uncapturable_.insert(bucket);
  bound.bucket_weights[bucket] = bound.weight_views;
  shared_.workspace(bound.instances[bucket]->workspace_bytes());
  fill_step(index);
}

void PlanRunner::prepare_bucket(size_t bucket) {
  shared_.device.activate();  // each run begins here, on any thread
  if (bucket == active_bucket_) return;
  const bool fresh = ready_buckets_.insert(bucket).second;
  if (fresh) orders_[bucket] = launch_order(bucket);
  for (size_t s : orders_[bucket]) {
    if (fresh) {
      prepare_step(s, bucket);
    } else if (!steps_[s].bucket_weights[bucket].empty()) {
      steps_[s].weight_views = steps_[s].bucket_weights[bucket];
      fill_step(s);
    }
  }
  active_bucket_ = bucket;
}

}  // namespace ingot
