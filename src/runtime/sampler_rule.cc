#include "runtime/sampler_rule.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
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

double SamplerParam::get(const SamplingParams& params) const {
  if (number) return params.*number;
  if (integer) return params.*integer;
  const auto found = params.others.find(name);
  return found == params.others.end() ? neutral : found->second;
}

void SamplerParam::set(SamplingParams& params, double value) const {
  if (number) {
    params.*number = value;
  } else if (integer) {
    params.*integer = static_cast<int32_t>(value);
  } else {
    params.others[std::string(name)] = value;
  }
}

bool SamplerParam::holds(double value) const {
  return value >= min && value <= max && !(above_min && value == min);
}

std::string SamplerParam::range_text() const {
  if (above_min) return fmt::format("more than {} and at most {}", min, max);
  return fmt::format("{} to {}", min, max);
}

std::vector<SamplerParam> sampler_params() {
  std::vector<SamplerParam> out;
  for (const SamplerRule* rule : sampler_rules()) {
    out.insert(out.end(), rule->params.begin(), rule->params.end());
  }
  return out;
}

const SamplerParam& sampler_param(std::string_view name) {
  for (const SamplerRule* rule : runtime_rule_list()) {
    for (const SamplerParam& param : rule->params) {
      if (param.name == name) return param;
    }
  }
  check_failed(__FILE__, __LINE__, fmt::format("no sampling rule has a parameter '{}'", name));
}

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
