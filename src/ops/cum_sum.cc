// Running sum along an axis; exclusive leaves out the element itself, reverse starts at the end.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_cum_sum {

struct CumSumAttrs {
  int64_t axis = 0;
  int64_t exclusive = 0;
  int64_t reverse = 0;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
    v("exclusive", exclusive);
    v("reverse", reverse);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  const auto a = read_attrs<CumSumAttrs>(args.attrs, "ops/cum_sum");
  ops::normalize_axis(args, a.axis, args.input(0).shape.size());
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<CumSumAttrs>(args.attrs, "ops/cum_sum");
  const ops::AxisSplit s = ops::split_at(x.shape, ops::wrap_axis(a.axis, x.shape.size()));
  ops::with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    using Sum = std::conditional_t<std::is_floating_point_v<T>, T, uint64_t>;
    const ops::Elements<T> in(x), out(args.outputs[0]);
    for (int64_t line = 0; line < s.outer * s.inner; ++line) {
      const int64_t base = line / s.inner * s.length * s.inner + line % s.inner;
      Sum sum = 0;
      for (int64_t k = 0; k < s.length; ++k) {
        const int64_t at = base + (a.reverse ? s.length - 1 - k : k) * s.inner;
        const Sum value = static_cast<Sum>(in.get(at));
        out.put(at, static_cast<T>(a.exclusive ? sum : sum + value));
        sum += value;
      }
    }
  });
}

std::vector<int> import_cum_sum(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"exclusive", "reverse"});
  const auto axis = ops::onnx_constant_ints(node, emitter, 1, "axis");
  if (!axis || axis->size() != 1) node.unsupported("axis must be one integer");
  return {emitter.emit("cum_sum",
                       {{"axis", (*axis)[0]},
                        {"exclusive", ops::onnx_int(node, "exclusive", 0)},
                        {"reverse", ops::onnx_int(node, "reverse", 0)}},
                       {ops::onnx_required(node, 0)})};
}

}  // namespace op_cum_sum

const OpDef& cum_sum_op() {
  using namespace op_cum_sum;
  static const OpDef op = {.name = "cum_sum",
                           .onnx = {{"", "CumSum", 11, &import_cum_sum}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
