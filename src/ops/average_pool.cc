// Mean of each window: over the elements inside the input, or with count_include_pad over the
// window's part inside the padded input.
#include <algorithm>

#include "ops/contract/op_cost.h"
#include "ops/shared/pool.h"

namespace ingot {
namespace op_average_pool {

struct AveragePoolAttrs : ops::PoolAttrs {
  bool count_include_pad = false;
  template <typename V>
  void fields(V& v) {
    PoolAttrs::fields(v);
    v("count_include_pad", count_include_pad);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  const auto a = read_attrs<AveragePoolAttrs>(args.attrs, "ops/average_pool");
  return {{args.input(0).element, ops::pool_shape(args, a)}};
}

// Taps of the window at `at` that lie inside the input and its pads.
int64_t padded_taps(const ops::WindowAttrs& w, const Shape& spatial, const Shape& at) {
  int64_t taps = 1;
  for (size_t d = 0; d < spatial.size(); ++d) {
    const int64_t begin = at[d] * w.strides[d] - w.pads[d];
    const int64_t limit = spatial[d] + w.pads[spatial.size() + d];
    taps *=
        std::clamp<int64_t>((limit - begin + w.dilations[d] - 1) / w.dilations[d], 0, w.kernel[d]);
  }
  return taps;
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto a = read_attrs<AveragePoolAttrs>(args.attrs, "ops/average_pool");
  const Shape spatial(x.shape.begin() + 2, x.shape.end()), out(y.shape.begin() + 2, y.shape.end());
  const ops::WindowAttrs window = ops::with_defaults(a.window(), spatial.size());
  const int64_t planes = x.shape[0] * x.shape[1], plane = element_count(spatial);
  const int64_t out_plane = element_count(out);
  const ops::Elements<double> in(x), result(y);
  ops::for_each_index(out, [&](int64_t o, const Shape& at) {
    const int64_t padded = padded_taps(window, spatial, at);
    for (int64_t p = 0; p < planes; ++p) {
      double sum = 0;
      int64_t taps = 0;
      ops::for_each_tap(window, spatial, at, [&](int64_t, int64_t offset) {
        sum += in.get(p * plane + offset);
        ++taps;
      });
      if (a.count_include_pad) taps = padded;
      result.put(p * out_plane + o, taps ? sum / static_cast<double>(taps) : 0);
    }
  });
}

std::vector<int> import_average_pool(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"auto_pad", "ceil_mode", "count_include_pad", "dilations",
                               "kernel_shape", "pads", "strides"});
  AveragePoolAttrs a;
  ops::onnx_pool(node, emitter, a);
  a.count_include_pad = ops::onnx_int(node, "count_include_pad", 0) != 0;
  return {emitter.emit("average_pool", write_attrs(a), {ops::onnx_required(node, 0)})};
}

}  // namespace op_average_pool

const OpDef& average_pool_op() {
  using namespace op_average_pool;
  static const OpDef op = {.name = "average_pool",
                           .onnx = {{"", "AveragePool", 1, &import_average_pool}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &plain_cost};
  return op;
}

}  // namespace ingot
