// The k largest (or smallest) along an axis, best first, and their int64 indices; of equal values
// the lower index comes first.
#include <algorithm>
#include <numeric>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_top_k {

struct TopKAttrs {
  int64_t k = 1;
  int64_t axis = -1;
  int64_t largest = 1;
  template <typename V>
  void fields(V& v) {
    v("k", k);
    v("axis", axis);
    v("largest", largest);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  const auto a = read_attrs<TopKAttrs>(args.attrs, "ops/top_k");
  SymShape shape = args.input(0).shape;
  const auto axis = static_cast<size_t>(ops::normalize_axis(args, a.axis, shape.size()));
  if (a.k < 0 || (shape[axis].is_constant() && a.k > shape[axis].constant())) {
    args.bad(fmt::format("k is {}, the axis has {}", a.k, shape[axis].text()));
  }
  shape[axis] = a.k;
  return {{args.input(0).element, shape}, {DType::kInt64, shape}};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<TopKAttrs>(args.attrs, "ops/top_k");
  const ops::AxisSplit s = ops::split_at(x.shape, ops::wrap_axis(a.axis, x.shape.size()));
  const ops::ElementMover mover(x, args.outputs[0]);
  if (a.k > s.length) {
    fail(ErrorCode::kInvalidArgument, "ops/top_k", "k is {}, the axis has {}", a.k, s.length);
  }
  ops::with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> in(x);
    std::vector<int64_t> order(static_cast<size_t>(s.length));
    for (int64_t line = 0; line < s.outer * s.inner; ++line) {
      const int64_t o = line / s.inner, i = line % s.inner;
      const auto at = [&](int64_t k) { return (o * s.length + k) * s.inner + i; };
      std::iota(order.begin(), order.end(), 0);
      // NaN ranks above every number, so that the order is total.
      std::stable_sort(order.begin(), order.end(), [&](int64_t p, int64_t q) {
        const T u = in.get(at(p)), v = in.get(at(q));
        if (u != u || v != v) return a.largest ? u != u && v == v : u == u && v != v;
        return a.largest ? u > v : u < v;
      });
      for (int64_t k = 0; k < a.k; ++k) {
        const int64_t to = (o * a.k + k) * s.inner + i;
        mover.move(to, at(order[static_cast<size_t>(k)]));
        store_index(args.outputs[1], to, order[static_cast<size_t>(k)]);
      }
    }
  });
}

std::vector<int> import_top_k(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "largest", "sorted", "k"});
  std::vector<int64_t> k = {ops::onnx_int(node, "k", 0)};
  if (!node.attrs.count("k")) {
    k = ops::onnx_constant_ints(node, emitter, 1, "k").value_or(std::vector<int64_t>());
  }
  if (k.size() != 1) node.unsupported("k must be one integer");
  auto out = emitter.emit_many("top_k",
                               {{"k", k[0]},
                                {"axis", ops::onnx_int(node, "axis", -1)},
                                {"largest", ops::onnx_int(node, "largest", 1)}},
                               {ops::onnx_required(node, 0)}, 2);
  out.resize(node.outputs, kNoValue);
  return out;
}

}  // namespace op_top_k

const OpDef& top_k_op() {
  using namespace op_top_k;
  static const OpDef op = {.name = "top_k",
                           .onnx = {{"", "TopK", 1, &import_top_k}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
