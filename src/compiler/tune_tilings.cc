#include "compiler/tune_tilings.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>

#include "compiler/tune_jobs.h"
#include "engine/idle_steps.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

constexpr size_t kMostTilings = 32;     // of a group: those found first
constexpr size_t kMostLookedAt = 4096;  // sets of fused steps
constexpr double kLeastGain = 0.005;

class GroupFinder {
 public:
  GroupFinder(const Plan& plan, const std::vector<FusedStep>& fused, const DeviceSection& section,
              const std::map<std::string, KernelChoice>& proposals, WeightStore& weights,
              const Device& device, bool invariant)
      : plan_(plan),
        fused_(fused),
        choices_(section),
        section_(section),
        weights_(weights),
        device_(device),
        invariant_(invariant) {
    choices_.choices.insert(proposals.begin(), proposals.end());
  }

  std::vector<FusionGroup> find() {
    std::vector<Bucket> buckets = plan_.buckets;
    if (buckets.empty()) buckets = {{}};
    if (invariant_) buckets = {buckets.back()};
    for (const Bucket& bucket : buckets) add_bucket(bucket);
    for (FusionGroup& group : groups_) add_tilings(group);
    std::erase_if(groups_, [](const FusionGroup& group) { return group.tilings.size() < 2; });
    return std::move(groups_);
  }

 private:
  static bool by_reference(const TilingStep& step) {
    return step.selection.kernel == &reference_kernel();
  }

  TilingStep make_step(const PlanStep& step, const Bucket& bucket, bool fused) {
    TilingStep out;
    out.desc = tune_desc(plan_, step, bucket, weights_, device_.capability(), invariant_);
    out.text = out.desc.text();
    out.proposal = fused && section_.choices.count(out.text) == 0;
    // Layers have the same descriptors, and libraries take a millisecond to list their tactics.
    const auto [it, fresh] = selections_.try_emplace({out.text, out.proposal});
    if (fresh) {
      it->second = select_kernel(out.desc, device_.kind(), out.proposal ? &choices_ : &section_,
                                 {.invariant = invariant_});
    }
    out.selection = it->second;
    out.steps = {&step};
    return out;
  }

  // The steps of a fused one with their kernels; none where it cannot run in the bucket.
  std::vector<TilingStep> able_steps(const FusedStep& fused, const Bucket& bucket) {
    for (size_t s : fused.covers) {
      if (is_idle_in(plan_, plan_.steps[s], bucket)) return {};
    }
    std::vector<TilingStep> out;
    for (const PlanStep& step : fused.steps) {
      out.push_back(make_step(step, bucket, true));
      if (!out.back().selection.tuned || by_reference(out.back())) return {};
    }
    return out;
  }

  void add_bucket(const Bucket& bucket) {
    std::vector<std::vector<TilingStep>> able(fused_.size());
    // Steps of the plan by the component that they are in: its smallest one.
    std::vector<size_t> component(plan_.steps.size());
    std::iota(component.begin(), component.end(), size_t{0});
    const auto root = [&](size_t s) {
      while (component[s] != s) s = component[s];
      return s;
    };
    for (size_t f = 0; f < fused_.size(); ++f) {
      able[f] = able_steps(fused_[f], bucket);
      if (able[f].empty()) continue;
      for (size_t s : fused_[f].covers) {
        const size_t a = root(s), b = root(fused_[f].covers.front());
        component[std::max(a, b)] = std::min(a, b);
      }
    }
    std::map<size_t, std::vector<size_t>> fused_of;  // by component
    for (size_t f = 0; f < fused_.size(); ++f) {
      if (!able[f].empty()) fused_of[root(fused_[f].covers.front())].push_back(f);
    }
    for (const auto& [at, members] : fused_of) {
      std::set<size_t> covered;
      for (size_t f : members) covered.insert(fused_[f].covers.begin(), fused_[f].covers.end());
      add(make_group({covered.begin(), covered.end()}, members, able, bucket));
    }
  }

  FusionGroup make_group(const std::vector<size_t>& covered, const std::vector<size_t>& fused,
                         std::vector<std::vector<TilingStep>>& able, const Bucket& bucket) {
    FusionGroup group;
    group.members = 1;
    for (size_t s : covered) group.plain.push_back(make_step(plan_.steps[s], bucket, false));
    for (size_t f : fused) {
      FusionGroup::Fused& one = group.fused.emplace_back();
      one.op = fused_[f].op;
      for (size_t s : fused_[f].covers) {
        const auto at = std::lower_bound(covered.begin(), covered.end(), s);
        one.covers.push_back(static_cast<size_t>(at - covered.begin()));
      }
      one.steps = std::move(able[f]);
      for (const TilingStep& step : one.steps) {
        if (step.proposal) one.needs.insert(step.text);
      }
    }
    return group;
  }

  static std::string key_of(const FusionGroup& group) {
    std::string key;
    for (const TilingStep& step : group.plain) key += step.text + "\n";
    for (const FusionGroup::Fused& one : group.fused) {
      key += one.op;
      for (size_t s : one.covers) key += " " + std::to_string(s);
      for (const TilingStep& step : one.steps) key += "\n" + step.text;
      key += "\n";
    }
    return key;
  }

  void add(FusionGroup group) {
    if (std::any_of(group.plain.begin(), group.plain.end(), by_reference)) return;
    const auto [it, fresh] = index_.try_emplace(key_of(group), groups_.size());
    if (fresh) {
      groups_.push_back(std::move(group));
      return;
    }
    FusionGroup& known = groups_[it->second];
    const std::vector<const PlanStep*>& first = known.plain[0].steps;
    // Another bucket may say the same of the same steps.
    if (std::find(first.begin(), first.end(), group.plain[0].steps[0]) != first.end()) return;
    ++known.members;
    const auto join = [](std::vector<TilingStep>& into, const std::vector<TilingStep>& from) {
      for (size_t i = 0; i < into.size(); ++i) into[i].steps.push_back(from[i].steps[0]);
    };
    join(known.plain, group.plain);
    for (size_t f = 0; f < known.fused.size(); ++f) {
      join(known.fused[f].steps, group.fused[f].steps);
    }
  }

  static void add_tilings(FusionGroup& group) {
    group.tilings = {taken_tiling(group, {})};
    size_t looked_at = 0;
    std::vector<size_t> tiling;
    const auto extend = [&](const auto& self, size_t from) -> void {
      if (group.tilings.size() == kMostTilings || ++looked_at > kMostLookedAt) return;
      if (tiling != group.tilings[0] &&
          taken_tiling(group, tiling_needs(group, tiling)) == tiling) {
        group.tilings.push_back(tiling);
      }
      for (size_t f = from; f < group.fused.size(); ++f) {
        const bool apart = std::none_of(tiling.begin(), tiling.end(), [&](size_t other) {
          const std::vector<size_t>& covers = group.fused[other].covers;
          return std::any_of(covers.begin(), covers.end(), [&](size_t s) {
            const std::vector<size_t>& own = group.fused[f].covers;
            return std::binary_search(own.begin(), own.end(), s);
          });
        });
        if (!apart) continue;
        tiling.push_back(f);
        self(self, f + 1);
        tiling.pop_back();
      }
    };
    extend(extend, 0);
    // Equals go to the one with fewer fused steps.
    std::stable_sort(group.tilings.begin() + 1, group.tilings.end(),
                     [](const auto& a, const auto& b) { return a.size() < b.size(); });
  }

  const Plan& plan_;
  const std::vector<FusedStep>& fused_;
  DeviceSection choices_;  // proposals too
  const DeviceSection& section_;
  WeightStore& weights_;
  const Device& device_;
  bool invariant_;
  std::map<std::pair<std::string, bool>, Selection> selections_;  // by descriptor, as a proposal
  std::map<std::string, size_t> index_;
  std::vector<FusionGroup> groups_;
};

// What a group takes where these proposals are chosen; nullopt where that was not measured.
std::optional<double> group_cost(const FusionGroup& group, const std::vector<double>& measured,
                                 const std::set<std::string>& chosen) {
  const std::vector<size_t> tiling = taken_tiling(group, chosen);
  if (measured.empty() || measured[0] <= 0) {
    return tiling == group.tilings[0] ? std::optional<double>(0) : std::nullopt;
  }
  const auto found = std::find(group.tilings.begin(), group.tilings.end(), tiling);
  if (found == group.tilings.end()) return {};
  const double one = measured[static_cast<size_t>(found - group.tilings.begin())];
  if (one <= 0) return {};
  const double factor = tiling.empty() ? 1 - kLeastGain : 1;
  return one * factor * static_cast<double>(group.members);
}

}  // namespace

std::vector<FusionGroup> fusion_groups(const Plan& plan, const std::vector<FusedStep>& fused,
                                       const DeviceSection& section,
                                       const std::map<std::string, KernelChoice>& proposals,
                                       WeightStore& weights, const Device& device, bool invariant) {
  return GroupFinder(plan, fused, section, proposals, weights, device, invariant).find();
}

std::vector<size_t> taken_tiling(const FusionGroup& group, const std::set<std::string>& chosen) {
  std::vector<size_t> out;
  std::set<size_t> covered;
  for (size_t f = 0; f < group.fused.size(); ++f) {
    const FusionGroup::Fused& one = group.fused[f];
    const auto taken = [&](size_t s) { return covered.count(s) > 0; };
    if (std::any_of(one.covers.begin(), one.covers.end(), taken)) continue;
    if (!std::includes(chosen.begin(), chosen.end(), one.needs.begin(), one.needs.end())) continue;
    covered.insert(one.covers.begin(), one.covers.end());
    out.push_back(f);
  }
  return out;
}

std::set<std::string> tiling_needs(const FusionGroup& group, const std::vector<size_t>& tiling) {
  std::set<std::string> out;
  for (size_t f : tiling) out.insert(group.fused[f].needs.begin(), group.fused[f].needs.end());
  return out;
}

std::vector<const TilingStep*> tiling_steps(const FusionGroup& group,
                                            const std::vector<size_t>& tiling) {
  std::vector<std::vector<const TilingStep*>> places;  // what runs where a plain step would
  places.reserve(group.plain.size());
  for (const TilingStep& step : group.plain) places.push_back({&step});
  for (size_t f : tiling) {
    const FusionGroup::Fused& one = group.fused[f];
    for (size_t s : one.covers) places[s].clear();
    for (const TilingStep& step : one.steps) places[one.covers.back()].push_back(&step);
  }
  std::vector<const TilingStep*> out;
  for (const auto& place : places) out.insert(out.end(), place.begin(), place.end());
  return out;
}

std::set<std::string> choose_tilings(const std::vector<FusionGroup>& groups,
                                     const std::vector<std::vector<double>>& microseconds) {
  std::map<std::string, std::set<size_t>> users;  // of a proposal: groups
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const FusionGroup::Fused& one : groups[g].fused) {
      for (const std::string& need : one.needs) users[need].insert(g);
    }
  }
  const auto cost = [&](const std::set<size_t>& of, const std::set<std::string>& chosen) {
    double sum = 0;
    for (size_t g : of) {
      const auto one = group_cost(groups[g], microseconds[g], chosen);
      if (!one) return std::numeric_limits<double>::infinity();
      sum += *one;
    }
    return sum;
  };
  std::set<std::string> chosen;
  for (;;) {
    double most = 0;
    std::set<std::string> best;
    for (size_t g = 0; g < groups.size(); ++g) {
      for (size_t t = 0; t < microseconds[g].size(); ++t) {
        if (microseconds[g][t] <= 0) continue;
        std::set<std::string> more = tiling_needs(groups[g], groups[g].tilings[t]);
        std::set<size_t> touched;
        for (const std::string& need : more) touched.insert(users[need].begin(), users[need].end());
        more.insert(chosen.begin(), chosen.end());
        const double gain = cost(touched, chosen) - cost(touched, more);
        if (gain <= most) continue;
        most = gain;
        best = std::move(more);
      }
    }
    if (best.empty()) return chosen;
    chosen = std::move(best);
  }
}

}  // namespace ingot
