// The adapter that runs any operator's plain reference as a kernel: last resort on every
// host-visible device and the twin behind the knob `reference`.
#pragma once

#include "kernels/kernel_def.h"

namespace ingot {

// name "reference", op "*". prepare() on a fused op builds its decomposition, whose intermediate
// values live in memory of the instance. Weights in several pieces are gathered first.
const KernelDef& reference_kernel();

// Runs an op once on host views (constant folding, tests): the reference or the decomposition.
void run_reference(std::string_view op, const Attrs& attrs, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs);

}  // namespace ingot
