// The contract of a sampling rule. One rule, one file in runtime/sampling/; the file name registers
// it: sampling/top_k.cc defines `const SamplerRule& top_k_rule()`. A rule does no arithmetic: it
// adds steps (operators) to the sample plan, so the same rule runs on host and device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/request.h"

namespace ingot {

class SampleBuilder;  // runtime/sample_plan.h

// A number that a request may give a rule. What a request may hold, the fields of the server's
// endpoints and the flags of commands are read from here.
struct SamplerParam {
  std::string_view name;  // the field's; the flag "top-k" is "top_k"'s
  double neutral = 0;     // changes nothing; of requests that do not give it
  double min = 0;
  double max = 0;
  bool above_min = false;  // min itself is outside
  std::string_view help;   // a line
  // The member that holds it: a double, or of integers an int32_t. Numbers that nothing but their
  // rule reads have none and stand in SamplingParams::others.
  double SamplingParams::*number = nullptr;
  int32_t SamplingParams::*integer = nullptr;
  bool whole = false;  // an integer; set with `integer`

  double get(const SamplingParams& params) const;
  void set(SamplingParams& params, double value) const;
  bool holds(double value) const;  // in the range; not NaN
  std::string range_text() const;  // "0 to 1", "more than 0 and at most 1"
};

struct SamplerRule {
  std::string_view name;  // equal to the file's stem
  // Rules run in ascending order: penalties 100…, masks 200…, temperature 300, filters 400….
  int order = 0;
  // Whether the rule changes anything for this request. A rule runs in a step when it is active for
  // one of the step's rows; for the others its parameters must be neutral.
  bool (*active)(const SamplingParams& params) = nullptr;
  // Adds the rule's steps; the builder's logits are rows x vocab_size, float32.
  void (*lower)(SampleBuilder& builder) = nullptr;
  std::vector<SamplerParam> params = {};
};

// Generated from runtime/sampling/*.cc, in name order.
const std::vector<const SamplerRule*>& runtime_rule_list();
// The same and those added by register_rule, in ascending `order`, then name.
std::vector<const SamplerRule*> sampler_rules();
// Of all rules, in their order.
std::vector<SamplerParam> sampler_params();
// The parameter of the shelf called `name`; CHECKs that there is one.
const SamplerParam& sampler_param(std::string_view name);
// For plugins and tests. `rule` must have static lifetime; Error{kInvalidArgument} if the name is
// taken. Thread safe.
void register_rule(const SamplerRule& rule);

}  // namespace ingot
