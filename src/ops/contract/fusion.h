// How a fused operator finds the steps of a plan that it may take over when kernels are bound. The
// plan itself stays in smaller operators: a device without a kernel for the fused one, or on which
// it was not measured to be faster, runs those. Matches may overlap: one of them is taken.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ops/contract/op_def.h"

namespace ingot {

// Steps as a matcher sees them; the engine room implements it over a plan.
class StepSource {
 public:
  struct Step {
    std::string_view op;
    const Attrs& attrs;
    std::span<const int> inputs;  // value ids, kNoValue where absent
    std::span<const int> outputs;
  };
  virtual ~StepSource() = default;
  virtual Step step(size_t index) const = 0;
  // The step that makes a value; nullopt for inputs, weights and states.
  virtual std::optional<size_t> producer(int value) const = 0;
  // How many steps read a value; being an output of the plan counts as one.
  virtual size_t readers(int value) const = 0;
  virtual const ValueType& type(int value) const = 0;
  virtual bool is_weight(int value) const = 0;
};

struct FusionMatch {
  struct Step {
    std::string_view op;  // of static lifetime
    Attrs attrs;
    std::vector<int> inputs;  // values of the plan
    std::vector<int> outputs;
  };
  // What runs instead, one behind the other: the fused operator's step, and others where it takes a
  // part of a step that they do the rest of.
  std::vector<Step> steps;
  std::vector<size_t> covers;  // steps that they stand for, the last one included
};

}  // namespace ingot
