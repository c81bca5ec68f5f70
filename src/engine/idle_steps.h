// Steps without work: a plan may hold what a run has nothing of (an encoder's steps, where tokens
// are decoded). They are not launched, and in buckets that never have any no kernel is prepared.
#pragma once

#include <span>

#include "engine/plan.h"

namespace ingot {

// Whether a step of these operands computes nothing: each output has no elements, or is memory that
// it updates by the rows of an input (Effects::rows) which has none. Never of control flow, nor of
// collectives, where other ranks wait.
bool is_idle(const PlanStep& step, const Effects& effects, std::span<const TensorView> inputs,
             std::span<const TensorView> outputs);

// Whether that holds in every run that the bucket covers: sizes that are 0 in the bucket are 0 in
// each of them.
bool is_idle_in(const Plan& plan, const PlanStep& step, const Bucket& bucket);

}  // namespace ingot
