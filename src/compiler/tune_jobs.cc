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
        if (step.kind == StepKind::kKernel && !is_idle_in(plan, step, bucket))
          add(step, bucket, {});
      }
      for (const FusedStep& step : fused) {
        if (step.steps.size() > 1 || is_idle_in(plan, step.steps[0], bucket)) continue;
        std::vector<KernelDesc> parts;
        for (size_t s : step.covers) parts.push_back(describe_step(plan.steps[s], bucket));
        add(step.steps[0], bucket, std::move(parts));
      }
    }
  }
  std::vector<TuneJob> take() { return std::move(jobs_); }

 private:
  KernelDesc describe_step(const PlanStep& step, const Bucket& bucket) {
    std::vector<int64_t> segments;
    for (int id : step.inputs) {
      const bool weight =
          id != kNoValue && plan_.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kWeight;
      const size_t pieces =
          weight ? weights_.piece_count(plan_.values[static_cast<size_t>(id)]) : 1;
      segments.push_back(static_cast<int64_t>(pieces));
    }
    KernelDesc desc = describe(plan_, step, bucket, plan_.limits, segments, false);
    desc.capability = capability_;
    return desc;
  }

  void add(const PlanStep& step, const Bucket& bucket, std::vector<KernelDesc> parts) {
    TuneJob job{describe_step(step, bucket), {&step}, std::move(parts)};
    auto [it, fresh] = index_.try_emplace(job.desc.text(), jobs_.size());
    if (fresh) {
      jobs_.push_back(std::move(job));
      return;
    }
    // Another bucket may say the same of the same step.
    std::vector<const PlanStep*>& steps = jobs_[it->second].steps;
    if (std::find(steps.begin(), steps.end(), &step) == steps.end()) steps.push_back(&step);
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

}  // namespace ingot
