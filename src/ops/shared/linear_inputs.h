// What linear layers have in common, alone or as a part of a fused operator.
#pragma once

#include "ops/contract/op_def.h"

namespace ingot::ops {

// Refuses inputs that are no x[.., K], weight[N, K] and, where there is one, bias[N]: the first
// three.
void check_linear_inputs(const InferArgs& args);

}  // namespace ingot::ops
