// Index of the best element along an axis, as int64. The functor names the operator and says which
// of two values is better.
#pragma once

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

struct ArgAttrs {
  int64_t axis = 0;
  int64_t keepdims = 1;
  int64_t select_last_index = 0;  // of equal values
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
    v("keepdims", keepdims);
    v("select_last_index", select_last_index);
  }
};
std::vector<ValueType> arg_infer(const InferArgs& args);

template <typename F>
void arg_reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto attrs = read_attrs<ArgAttrs>(args.attrs, F::name);
  const AxisSplit s = split_at(x.shape, wrap_axis(attrs.axis, x.shape.size()));
  with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Elements<T> in(x);
    for (int64_t line = 0; line < s.outer * s.inner; ++line) {
      const int64_t base = line / s.inner * s.length * s.inner + line % s.inner;
      int64_t best = 0;
      for (int64_t k = 1; k < s.length; ++k) {
        const T value = in.get(base + k * s.inner), top = in.get(base + best * s.inner);
        if (F::better(value, top) || (attrs.select_last_index && value == top)) best = k;
      }
      store_index(args.outputs[0], line, best);
    }
  });
}

template <typename F>
std::vector<int> arg_import(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(F::name, onnx_attrs<ArgAttrs>(node), {onnx_required(node, 0)})};
}

template <typename F>
OpDef arg_op(std::string_view onnx) {
  OpDef op;
  op.name = F::name;
  op.onnx = {{"", onnx, 1, &arg_import<F>}};
  op.infer = &arg_infer;
  op.reference = &arg_reference<F>;
  return op;
}

}  // namespace ingot::ops
