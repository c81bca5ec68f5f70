#include "ops/contract/op_def.h"

namespace ingot {

// (x, residual, weight) -> (sum = x + residual, rms_norm(sum, weight)).
const OpDef& add_rms_norm_op() {
  static const OpDef op = {
      .name = "add_rms_norm",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> {
        const ValueType& x = args.input(0);
        if (!(x == args.input(1))) args.bad("the residual's type differs from the input's");
        return {x, x};
      },
      .decompose =
          [](OpEmitter& emitter, const Attrs& attrs, std::span<const int> inputs) {
            const int sum = emitter.emit("add", {}, {inputs[0], inputs[1]});
            return std::vector<int>{sum, emitter.emit("rms_norm", attrs, {sum, inputs[2]})};
          },
      .row_strided = true};
  return op;
}

}  // namespace ingot
