// Largest value of each window; a second output holds its flat index in the input (row-major, or
// column-major in the plane when storage_order is 1).
#include "ops/contract/op_cost.h"
#include "ops/shared/pool.h"

namespace ingot {
namespace op_max_pool {

struct MaxPoolAttrs : ops::PoolAttrs {
  int64_t storage_order = 0;
  template <typename V>
  void fields(V& v) {
    PoolAttrs::fields(v);
    v("storage_order", storage_order);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  const auto a = read_attrs<MaxPoolAttrs>(args.attrs, "ops/max_pool");
  const SymShape shape = ops::pool_shape(args, a);
  std::vector<ValueType> out = {{args.input(0).element, shape}};
  if (args.output_count > 1) out.push_back({DType::kInt64, shape});
  return out;
}

// Row-major offset in a plane -> column-major offset.
int64_t column_major(int64_t offset, const Shape& spatial) {
  int64_t out = 0, scale = element_count(spatial);
  std::vector<int64_t> index(spatial.size());
  for (size_t d = spatial.size(); d-- > 0;) {
    index[d] = offset % spatial[d];
    offset /= spatial[d];
  }
  for (size_t d = spatial.size(); d-- > 0;) {
    scale /= spatial[d];
    out += index[d] * scale;
  }
  return out;
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto a = read_attrs<MaxPoolAttrs>(args.attrs, "ops/max_pool");
  const Shape spatial(x.shape.begin() + 2, x.shape.end()), out(y.shape.begin() + 2, y.shape.end());
  const ops::WindowAttrs window = ops::with_defaults(a.window(), spatial.size());
  const int64_t planes = x.shape[0] * x.shape[1], plane = element_count(spatial);
  const int64_t out_plane = element_count(out);
  const ops::ElementMover mover(x, y);
  ops::with_compute_type(x.type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> in(x);
    ops::for_each_index(out, [&](int64_t o, const Shape& at) {
      for (int64_t p = 0; p < planes; ++p) {
        int64_t best = -1;
        ops::for_each_tap(window, spatial, at, [&](int64_t, int64_t offset) {
          if (best < 0 || in.get(p * plane + offset) > in.get(p * plane + best)) best = offset;
        });
        if (best < 0) {
          fail(ErrorCode::kInvalidArgument, "ops/max_pool",
               "a window of {} over {} lies in the padding alone", shape_text(window.kernel),
               shape_text(spatial));
        }
        mover.move(p * out_plane + o, p * plane + best);
        if (args.outputs.size() > 1) {
          const int64_t index = a.storage_order ? column_major(best, spatial) : best;
          store_index(args.outputs[1], p * out_plane + o, p * plane + index);
        }
      }
    });
  });
}

std::vector<int> import_max_pool(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads",
                               "storage_order", "strides"});
  MaxPoolAttrs a;
  ops::onnx_pool(node, emitter, a);
  // A pad as wide as the window would make windows without any input.
  for (size_t d = 0; d < a.pads.size() && !a.kernel.empty(); ++d) {
    const size_t axis = d % a.kernel.size();
    const int64_t dilation = axis < a.dilations.size() ? a.dilations[axis] : 1;
    if (a.pads[d] > dilation * (a.kernel[axis] - 1)) node.unsupported("pads beyond a window");
  }
  a.storage_order = ops::onnx_int(node, "storage_order", 0);
  return emitter.emit_many("max_pool", write_attrs(a), {ops::onnx_required(node, 0)}, node.outputs);
}

}  // namespace op_max_pool

const OpDef& max_pool_op() {
  using namespace op_max_pool;
  static const OpDef op = {.name = "max_pool",
                           .onnx = {{"", "MaxPool", 1, &import_max_pool}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &plain_cost};
  return op;
}

}  // namespace ingot
