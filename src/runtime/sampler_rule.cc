#include "runtime/sampler_rule.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"

namespace ingot {
namespace {

std::mutex& extra_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::vector<const SamplerRule*>& extra_rules() {
  static std::vector<const SamplerRule*> rules;
  return rules;
}

}  // namespace

std::vector<const SamplerRule*> sampler_rules() {
  std::vector<const SamplerRule*> rules = runtime_rule_list();
  {
    const std::lock_guard lock(extra_mutex());
    rules.insert(rules.end(), extra_rules().begin(), extra_rules().end());
  }
  std::sort(rules.begin(), rules.end(), [](const SamplerRule* a, const SamplerRule* b) {
    return a->order != b->order ? a->order < b->order : a->name < b->name;
  });
  return rules;
}

void register_rule(const SamplerRule& rule) {
  for (const SamplerRule* known : sampler_rules()) {
    if (known->name == rule.name) {
      fail(ErrorCode::kInvalidArgument, "runtime/sampler_rule", "rule '{}' exists already",
           rule.name);
    }
  }
  const std::lock_guard lock(extra_mutex());
  extra_rules().push_back(&rule);
}

}  // namespace ingot
