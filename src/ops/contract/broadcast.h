// Multidirectional (NumPy) broadcasting for elementwise operators.
#pragma once

#include "base/function_ref.h"
#include "ops/contract/op_def.h"

namespace ingot {

// Shape of the result; a symbolic dimension broadcasts only against itself and 1.
SymShape broadcast_shape(const InferArgs& args, const SymShape& a, const SymShape& b);
Shape broadcast_shape(const Shape& a, const Shape& b);  // CHECKs compatibility

// Two inputs of equal element type -> one output of `result` (or that type if nullopt).
std::vector<ValueType> infer_binary(const InferArgs& args,
                                    std::optional<ElementType> result = std::nullopt);

// Element offsets (row-major, packed) in a and b for every element of the broadcast output.
void for_each_broadcast(const Shape& out, const Shape& a, const Shape& b,
                        FunctionRef<void(int64_t out, int64_t a, int64_t b)> f);

// Reference loops of a binary op: floats through double and rounded once, integers in int64.
void reference_binary(const OpArgs& args, FunctionRef<double(double, double)> on_float,
                      FunctionRef<int64_t(int64_t, int64_t)> on_int);

}  // namespace ingot
