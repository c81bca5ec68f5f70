#include "ops/contract/op_def.h"
#include "ops/shared/activation.h"

namespace ingot {
namespace op_act_mul {

struct ActMulAttrs {
  std::string activation = "silu";
  template <typename V>
  void fields(V& v) {
    v("activation", activation);
  }
};

using ops::Activation;
using ops::find_activation;

}  // namespace op_act_mul

// activation(gate) * up, the gated unit of Shazeer, "GLU variants improve transformer" (2020).
const OpDef& act_mul_op() {
  using namespace op_act_mul;
  static const OpDef op = {.name = "act_mul",
                           .infer = [](const InferArgs& args) -> std::vector<ValueType> {
                             const auto attrs = read_attrs<ActMulAttrs>(args.attrs, "ops/act_mul");
                             if (!find_activation(attrs.activation)) {
                               args.bad(fmt::format("unknown activation '{}'", attrs.activation));
                             }
                             if (!(args.input(0) == args.input(1)))
                               args.bad("gate and up differ in type");
                             return {args.input(0)};
                           },
                           .reference =
                               [](const OpArgs& args) {
                                 const auto attrs =
                                     read_attrs<ActMulAttrs>(args.attrs, "ops/act_mul");
                                 const Activation activation = find_activation(attrs.activation);
                                 const int64_t n = args.inputs[0].columns();
                                 std::vector<float> gate(static_cast<size_t>(n));
                                 std::vector<float> up(static_cast<size_t>(n));
                                 for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
                                   load_row(args.inputs[0], r, 0, n, gate.data());
                                   load_row(args.inputs[1], r, 0, n, up.data());
                                   for (size_t c = 0; c < gate.size(); ++c)
                                     gate[c] = activation(gate[c]) * up[c];
                                   store_row(args.outputs[0], r, 0, n, gate.data());
                                 }
                               },
                           .row_strided = true};
  return op;
}

}  // namespace ingot
