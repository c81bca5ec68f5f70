// The contract of a sampling rule. One rule, one file in runtime/sampling/; the file name registers
// it: sampling/top_k.cc defines `const SamplerRule& top_k_rule()`. A rule does no arithmetic: it
// adds steps (operators) to the sample plan, so the same rule runs on host and device.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/request.h"

namespace ingot {

class SampleBuilder;  // runtime/sample_plan.h

struct SamplerRule {
  std::string_view name;  // equal to the file's stem
  // Rules run in ascending order: penalties 100…, masks 200…, temperature 300, filters 400….
  int order = 0;
  // Whether the rule changes anything for this request. A rule runs in a step when it is active for
  // one of the step's rows; for the others its parameters must be neutral.
  bool (*active)(const SamplingParams& params) = nullptr;
  // Adds the rule's steps; the builder's logits are rows x vocab_size, float32.
  void (*lower)(SampleBuilder& builder) = nullptr;
};

// Generated from runtime/sampling/*.cc, in name order.
const std::vector<const SamplerRule*>& runtime_rule_list();
// The same and those added by register_rule, in ascending `order`, then name.
std::vector<const SamplerRule*> sampler_rules();
// For plugins and tests. `rule` must have static lifetime; Error{kInvalidArgument} if the name is
// taken. Thread safe.
void register_rule(const SamplerRule& rule);

}  // namespace ingot
