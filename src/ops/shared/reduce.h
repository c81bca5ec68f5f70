// Reductions over axes. The functor struct is the operator: start, step and finish of one result;
// see ops/reduce_sum.cc.
#pragma once

#include <algorithm>

#include "ops/shared/elementwise.h"

namespace ingot::ops {

struct ReduceAttrs {
  std::vector<int64_t> axes;  // none: nothing is reduced, each element is its own group
  bool keep_dims = true;
  template <typename V>
  void fields(V& v) {
    v("axes", axes);
    v("keep_dims", keep_dims);
  }
};
// Marks of the reduced axes.
std::vector<bool> reduced_axes(const ReduceAttrs& attrs, size_t rank);
std::vector<ValueType> reduce_infer_axes(const InferArgs& args, Types types);
// ONNX attributes to ours; axes are an attribute or input 1, absent means all.
Attrs reduce_attrs(const OnnxNode& node, OpEmitter& emitter, int x);

template <typename F>
std::vector<ValueType> reduce_infer(const InferArgs& args) {
  return reduce_infer_axes(args, F::types);
}

template <typename F>
void reduce_reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto attrs = read_attrs<ReduceAttrs>(args.attrs, F::name);
  const std::vector<bool> reduced = reduced_axes(attrs, x.shape.size());
  const std::vector<int64_t> strides = element_strides(x.shape);
  // Two walks: over the kept axes, and inside each over the reduced ones.
  Shape kept, inner;
  std::array<std::vector<int64_t>, 1> kept_strides, inner_strides;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    (reduced[d] ? inner : kept).push_back(x.shape[d]);
    (reduced[d] ? inner_strides : kept_strides)[0].push_back(strides[d]);
  }
  const int64_t count = element_count(inner);
  with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Elements<T> in(x), out(y);
    const Elements<double> wide(y);
    walk(kept, kept_strides, [&](int64_t i, const std::array<int64_t, 1>& base) {
      auto state = F::start(T{}, x.type.dtype);
      walk(inner, inner_strides, [&](int64_t, const std::array<int64_t, 1>& at) {
        F::step(state, in.get(base[0] + at[0]));
      });
      const auto result = F::finish(state, count);
      if constexpr (std::is_floating_point_v<decltype(result)> && !std::is_floating_point_v<T>) {
        wide.put(i, result);  // a logarithm of integers may be infinite
      } else {
        out.put(i, static_cast<T>(result));
      }
    });
  });
}

template <typename F>
std::vector<int> reduce_import(const OnnxNode& node, OpEmitter& emitter) {
  const int x = onnx_required(node, 0);
  return {emitter.emit(F::name, reduce_attrs(node, emitter, x), {x})};
}

template <typename F>
OpDef reduce_op() {
  OpDef op;
  op.name = F::name;
  op.onnx = {{"", F::onnx, 1, &reduce_import<F>}};
  op.infer = &reduce_infer<F>;
  op.reference = &reduce_reference<F>;
  return op;
}

// Smallest and largest value of a dtype, in the compute type.
template <typename T>
T lowest(DType dtype) {
  if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
  if constexpr (std::is_unsigned_v<T>) return 0;
  switch (dtype) {
    case DType::kInt8:
      return static_cast<T>(std::numeric_limits<int8_t>::min());
    case DType::kInt16:
      return static_cast<T>(std::numeric_limits<int16_t>::min());
    case DType::kInt32:
      return static_cast<T>(std::numeric_limits<int32_t>::min());
    case DType::kInt64:
      return static_cast<T>(std::numeric_limits<int64_t>::min());
    default:
      return 0;
  }
}
template <typename T>
T highest(DType dtype) {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
  if constexpr (std::is_unsigned_v<T>) return std::numeric_limits<T>::max();
  switch (dtype) {
    case DType::kInt64:
      return static_cast<T>(std::numeric_limits<int64_t>::max());
    case DType::kBool:
      return 1;
    default: {
      const auto bits = static_cast<int>(dtype_size(dtype)) * 8;
      const bool is_signed =
          dtype == DType::kInt8 || dtype == DType::kInt16 || dtype == DType::kInt32;
      return static_cast<T>((int64_t{1} << (is_signed ? bits - 1 : bits)) - 1);
    }
  }
}

}  // namespace ingot::ops
