// Helpers for ONNX imports: attributes, constant inputs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "ops/contract/op_def.h"

namespace ingot::ops {

// Attribute of an ONNX node with a default; a wrong type is refused by name.
int64_t onnx_int(const OnnxNode& node, std::string_view name, int64_t fallback);
double onnx_float(const OnnxNode& node, std::string_view name, double fallback);
std::string onnx_string(const OnnxNode& node, std::string_view name, std::string_view fallback);
std::optional<std::vector<int64_t>> onnx_ints(const OnnxNode& node, std::string_view name);
// Refuses attributes other than these, so that no meaning is dropped silently.
void onnx_allow_attrs(const OnnxNode& node, std::initializer_list<std::string_view> names);

// Input `index`, or kNoValue when left out or beyond the end.
int onnx_input(const OnnxNode& node, size_t index);
// Same, refusing a missing one.
int onnx_required(const OnnxNode& node, size_t index);
// Integer contents of an input that must be constant when the graph is built; refuses one computed
// from data. nullopt when absent.
std::optional<std::vector<int64_t>> onnx_constant_ints(const OnnxNode& node, OpEmitter& emitter,
                                                       size_t index, std::string_view what);
std::optional<std::vector<double>> onnx_constant_floats(const OnnxNode& node, OpEmitter& emitter,
                                                        size_t index, std::string_view what);

// A shape given as an input: constant, or made of known dimensions (Shape -> Gather -> Concat).
SymShape onnx_shape_input(const OnnxNode& node, OpEmitter& emitter, size_t index,
                          std::string_view what);
std::vector<std::string> dims_text(const SymShape& shape);

// A rank-r type's rank, from the emitter.
size_t onnx_rank(OpEmitter& emitter, int value);
// Axis wrapped into [0, rank); refuses one outside.
int64_t onnx_axis(const OnnxNode& node, int64_t axis, size_t rank);

// Constants of a scalar type.
int add_scalar(OpEmitter& emitter, DType dtype, double value);
int add_ints(OpEmitter& emitter, const std::vector<int64_t>& values);
int add_scalar_as(OpEmitter& emitter, double value, int like);  // dtype of `like`

// Emits a reshape of `value` to `shape`.
int emit_reshape(OpEmitter& emitter, int value, const SymShape& shape);
int emit_transpose(OpEmitter& emitter, int value, std::vector<int64_t> perm);
int emit_cast(OpEmitter& emitter, int value, DType to);  // value itself when it has the type

// A one-input, one-output import that passes attributes on under the same names; T is the op's
// attribute struct.
template <typename T>
Attrs onnx_attrs(const OnnxNode& node) {
  T known;
  auto visit = [&](std::string_view, auto&) {};
  known.fields(visit);
  for (const auto& [name, value] : node.attrs) {
    bool found = false;
    auto match = [&](std::string_view field, auto&) { found |= field == name; };
    known.fields(match);
    if (!found) node.unsupported("attribute '" + name + "'");
  }
  return write_attrs(read_attrs<T>(node.attrs, "loaders/onnx"));
}

// ONNX TensorProto.DataType -> DType; nullopt for types Ingot has no scalar for.
std::optional<DType> onnx_dtype(int64_t type);

}  // namespace ingot::ops
