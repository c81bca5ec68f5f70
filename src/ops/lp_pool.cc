// p-norm of each window; padding counts as zero.
#include "ops/contract/op_cost.h"
#include "ops/shared/pool.h"

namespace ingot {
namespace op_lp_pool {

struct LpPoolAttrs : ops::PoolAttrs {
  int64_t p = 2;
  template <typename V>
  void fields(V& v) {
    PoolAttrs::fields(v);
    v("p", p);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  const auto a = read_attrs<LpPoolAttrs>(args.attrs, "ops/lp_pool");
  if (a.p < 1) args.bad(fmt::format("p is {}", a.p));
  return {{args.input(0).element, ops::pool_shape(args, a)}};
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto a = read_attrs<LpPoolAttrs>(args.attrs, "ops/lp_pool");
  const Shape spatial(x.shape.begin() + 2, x.shape.end()), out(y.shape.begin() + 2, y.shape.end());
  const ops::WindowAttrs window = ops::with_defaults(a.window(), spatial.size());
  const int64_t planes = x.shape[0] * x.shape[1], plane = element_count(spatial);
  const int64_t out_plane = element_count(out);
  const ops::Elements<double> in(x), result(y);
  const auto p = static_cast<double>(a.p);
  ops::for_each_index(out, [&](int64_t o, const Shape& at) {
    for (int64_t q = 0; q < planes; ++q) {
      double sum = 0;
      ops::for_each_tap(window, spatial, at, [&](int64_t, int64_t offset) {
        sum += std::pow(std::fabs(in.get(q * plane + offset)), p);
      });
      result.put(q * out_plane + o, std::pow(sum, 1 / p));
    }
  });
}

std::vector<int> import_lp_pool(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(
      node, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"});
  LpPoolAttrs a;
  ops::onnx_pool(node, emitter, a);
  a.p = ops::onnx_int(node, "p", 2);
  return {emitter.emit("lp_pool", write_attrs(a), {ops::onnx_required(node, 0)})};
}

}  // namespace op_lp_pool

const OpDef& lp_pool_op() {
  using namespace op_lp_pool;
  static const OpDef op = {.name = "lp_pool",
                           .onnx = {{"", "LpPool", 2, &import_lp_pool}},
                           .infer = &infer,
                           .reference = &reference,
                           .heavy = true,
                           .cost = &plain_cost};
  return op;
}

}  // namespace ingot
