#include "ops/shared/linear_inputs.h"

namespace ingot::ops {

void check_linear_inputs(const InferArgs& args) {
  const ValueType& x = args.input(0);
  const ValueType& w = args.input(1);
  if (x.shape.empty() || !is_float(x.element.dtype))
    args.bad("expected float input, found " + type_text(x));
  if (w.shape.size() != 2 || !(w.shape[1] == x.shape.back())) {
    args.bad(fmt::format("weight {} does not fit input {}", type_text(w), type_text(x)));
  }
  const ValueType* bias = args.inputs.size() > 2 ? args.inputs[2] : nullptr;
  if (bias && (bias->shape.size() != 1 || !(bias->shape[0] == w.shape[0]))) {
    args.bad(fmt::format("bias {} does not fit weight {}", type_text(*bias), type_text(w)));
  }
}

}  // namespace ingot::ops
