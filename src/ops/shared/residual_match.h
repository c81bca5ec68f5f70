// A linear layer whose product is added to a residual, as matchers of fused operators find it.
#pragma once

#include "ops/contract/fusion.h"

namespace ingot::ops {

struct ResidualLinear {
  size_t linear;            // the layer's step
  FusionMatch::Step fused;  // linear_add in place of layer and addition; its output is the sum
};

// Where step `addition` is an `add`, or an `add_rms_norm` (whose norm is left to the caller), and
// one of the two that it adds is the product of a linear layer: by a weight, of the types of the
// layer's input and of the sum, and read by nothing else.
std::optional<ResidualLinear> match_residual_linear(const StepSource& steps, size_t addition);

}  // namespace ingot::ops
