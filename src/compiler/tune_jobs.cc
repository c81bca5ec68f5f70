#include "compiler/tune_jobs.h"

#include <algorithm>
#include <map>
#include <string>

#include "engine/idle_steps.h"
#include "engine/selection.h"

namespace ingot {
namespace {

class TuneJobs {
 public:
  TuneJobs(const Plan& plan, const std::vector<FusedStep>& fused, WeightStore& weights,
           int capability)
      : plan_(plan), weights_(weights), capability_(capability) {
    const std::vector<Bucket> none = {{}};
    for (const Bucket& bucket : plan.buckets.empty() ? none : plan.buckets) {
      for (const PlanStep& step : plan.steps) {
        if (step.kind == StepKind::kKernel && !is_idle_in(plan, step, bucket)) {
          add(step, bucket).in_plan = true;
        }
      }
      for (const FusedStep& one : fused) {
        if (is_idle_in(plan, one.steps.front(), bucket)) continue;
        for (const PlanStep& step : one.steps) add(step, bucket).in_fused = true;
      }
    }
  }
  std::vector<TuneJob> take() { return std::move(jobs_); }

 private:
  TuneJob& add(const PlanStep& step, const Bucket& bucket) {
    KernelDesc desc = tune_desc(plan_, step, bucket, weights_, capability_, false);
    const auto [it, fresh] = index_.try_emplace(desc.text(), jobs_.size());
    if (fresh) jobs_.push_back({std::move(desc), {}});
    TuneJob& job = jobs_[it->second];
    // Another bucket may say the same of the same step, and several fused steps hold one of the
    // same operands.
    const bool known = std::any_of(job.steps.begin(), job.steps.end(), [&](const PlanStep* other) {
      return other == &step || (other->inputs == step.inputs && other->op == step.op);
    });
    if (!known) job.steps.push_back(&step);
    return job;
  }

  const Plan& plan_;
  WeightStore& weights_;
  int capability_;
  std::map<std::string, size_t> index_;
  std::vector<TuneJob> jobs_;
};

}  // namespace

std::vector<TuneJob> tune_jobs(const Plan& plan, const std::vector<FusedStep>& fused,
                               WeightStore& weights, int capability) {
  return TuneJobs(plan, fused, weights, capability).take();
}

KernelDesc tune_desc(const Plan& plan, const PlanStep& step, const Bucket& bucket,
                     WeightStore& weights, int capability, bool invariant) {
  std::vector<int64_t> segments;
  for (int id : step.inputs) {
    const bool weight =
        id != kNoValue && plan.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kWeight;
    const size_t pieces = weight ? weights.piece_count(plan.values[static_cast<size_t>(id)]) : 1;
    segments.push_back(static_cast<int64_t>(pieces));
  }
  KernelDesc desc = describe(plan, step, bucket, plan.limits, segments, invariant);
  desc.capability = capability;
  return desc;
}

}  // namespace ingot
