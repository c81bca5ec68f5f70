// Linear layers that norm their input themselves, as operators state it and matchers find it.
#pragma once

#include "ops/contract/fusion.h"
#include "ops/contract/op_def.h"

namespace ingot::ops {

// Attributes of rms_norm over whole rows. The norm's weight is input 3 of such a layer, behind x,
// weight and bias.
struct RowNormAttrs {
  double epsilon = 1e-5;
  double weight_offset = 0;
  template <typename V>
  void fields(V& v) {
    v("epsilon", epsilon);
    v("weight_offset", weight_offset);
  }
};

// Refuses a norm weight that is no [K] of the x[.., K] in input 0.
void check_norm_weight(const InferArgs& args);

// Of a decomposition: the norm of inputs 0 by inputs 3.
int emit_row_norm(OpEmitter& emitter, const RowNormAttrs& attrs, std::span<const int> inputs);

// Where steps of a match (`layer`, whose first is a linear layer's) read a norm of rows that
// nothing else reads: the same steps by operator `op`, with the norm's attributes beside their own.
// The norm is an rms_norm, or that of an add_rms_norm whose addition goes into the linear layer
// before (match_residual_linear), which then holds these steps back. A layer that adds the residual
// and norms the sum as well does both once a column, and was slower (docs/decisions.md, 91).
std::optional<FusionMatch> match_normed_input(const StepSource& steps, FusionMatch layer,
                                              std::string_view op);

}  // namespace ingot::ops
