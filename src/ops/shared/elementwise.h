// Element-wise operators. The functor struct is the operator: its name, ONNX name, accepted types,
// attributes (fields) and arithmetic; see ops/relu.cc.
#pragma once

#include <array>

#include "base/function_ref.h"
#include "ops/contract/op_def.h"
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

enum class Types { kFloat, kNumeric, kInteger, kBool, kAny };
void require_types(const InferArgs& args, size_t index, Types types);

struct NoAttrs {
  template <typename V>
  void fields(V&) {}
};

// F: struct { name, onnx, types; fields(); T operator()(T x) const; } and, when the result is not
// of the input's type, `static constexpr DType result`.
template <typename F>
DType elementwise_result(DType input) {
  if constexpr (requires { F::result; }) {
    return F::result;
  } else {
    return input;
  }
}

template <typename F>
std::vector<ValueType> unary_infer(const InferArgs& args) {
  require_types(args, 0, F::types);
  const ValueType& x = args.input(0);
  return {{elementwise_result<F>(x.element.dtype), x.shape}};
}

// The loops, compiled once: one function for each compute type.
template <typename T>
using UnaryFn = FunctionRef<T(T)>;
template <typename T>
using BinaryFn = FunctionRef<T(T, T)>;
void unary_loop(const OpArgs& args, UnaryFn<double> on_double, UnaryFn<int64_t> on_int,
                UnaryFn<uint64_t> on_uint);
void binary_loop(const OpArgs& args, BinaryFn<double> on_double, BinaryFn<int64_t> on_int,
                 BinaryFn<uint64_t> on_uint);

// f(values...) where F takes type T; infer() keeps the rest away.
template <typename T, typename F, typename... Values>
T apply(const F& f, Values... values) {
  if constexpr (std::is_invocable_v<const F&, Values...>) {
    return static_cast<T>(f(values...));
  } else {
    CHECK_MSG(false, "{} does not take this type", F::name);
    return T{};
  }
}

template <typename F>
void unary_reference(const OpArgs& args) {
  const F f = read_attrs<F>(args.attrs, F::name);
  const auto on_double = [&](double x) { return apply<double>(f, x); };
  const auto on_int = [&](int64_t x) { return apply<int64_t>(f, x); };
  const auto on_uint = [&](uint64_t x) { return apply<uint64_t>(f, x); };
  unary_loop(args, on_double, on_int, on_uint);
}

template <typename F>
std::vector<int> unary_import(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(F::name, onnx_attrs<F>(node), {onnx_required(node, 0)})};
}

template <typename F>
OpDef unary_op(int64_t since = 1) {
  OpDef op;
  op.name = F::name;
  if (!F::onnx.empty()) op.onnx = {{"", F::onnx, since, &unary_import<F>}};
  op.infer = &unary_infer<F>;
  op.reference = &unary_reference<F>;
  return op;
}

template <typename F>
std::vector<ValueType> binary_infer(const InferArgs& args) {
  require_types(args, 0, F::types);
  require_same_type(args, 0, 1);
  const SymShape shapes[] = {args.input(0).shape, args.input(1).shape};
  return {{elementwise_result<F>(args.input(0).element.dtype), broadcast_shapes(args, shapes)}};
}

template <typename F>
void binary_reference(const OpArgs& args) {
  const F f = read_attrs<F>(args.attrs, F::name);
  const auto on_double = [&](double a, double b) { return apply<double>(f, a, b); };
  const auto on_int = [&](int64_t a, int64_t b) { return apply<int64_t>(f, a, b); };
  const auto on_uint = [&](uint64_t a, uint64_t b) { return apply<uint64_t>(f, a, b); };
  binary_loop(args, on_double, on_int, on_uint);
}

template <typename F>
std::vector<int> binary_import(const OnnxNode& node, OpEmitter& emitter) {
  return {
      emitter.emit(F::name, onnx_attrs<F>(node), {onnx_required(node, 0), onnx_required(node, 1)})};
}
// Sum, Max, Min ...: any number of inputs, left to right.
template <typename F>
std::vector<int> variadic_import(const OnnxNode& node, OpEmitter& emitter) {
  int value = onnx_required(node, 0);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    value = emitter.emit(F::name, onnx_attrs<F>(node), {value, onnx_required(node, i)});
  }
  return {value};
}

// Contents that are dimensions, for functors with `static std::optional<Dim> dims(a, b)`; a scalar
// (one entry) pairs with any length.
template <typename F>
std::optional<std::vector<Dim>> binary_dims(const DimsArgs& args) {
  const std::vector<Dim>*a = args.known(0), *b = args.known(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return std::nullopt;
  std::vector<Dim> out;
  for (size_t i = 0; i < std::max(a->size(), b->size()); ++i) {
    const auto dim = F::dims((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
    if (!dim) return std::nullopt;
    out.push_back(*dim);
  }
  return out;
}

// `since` 7 is where ONNX binary ops got NumPy broadcasting; older forms (axis, broadcast) are
// refused as unsupported.
template <typename F>
OpDef binary_op(int64_t since = 7) {
  OpDef op;
  op.name = F::name;
  if (!F::onnx.empty()) op.onnx = {{"", F::onnx, since, &binary_import<F>}};
  op.infer = &binary_infer<F>;
  op.reference = &binary_reference<F>;
  if constexpr (requires { &F::dims; }) op.dims = &binary_dims<F>;
  return op;
}

}  // namespace ingot::ops
