#include "ops/contract/broadcast.h"

namespace ingot {

// y = a + b, broadcast.
const OpDef& add_op() {
  static const OpDef op = {
      .name = "add",
      .onnx = {{"", "Add", 7,
                [](const OnnxNode& node, OpEmitter& emitter) {
                  return emitter.emit_many("add", {}, node.inputs, 1);
                }}},
      .infer = [](const InferArgs& args) { return infer_binary(args); },
      .reference =
          [](const OpArgs& args) {
            reference_binary(
                args, [](double a, double b) { return a + b; },
                [](int64_t a, int64_t b) {
                  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
                });
          }};
  return op;
}

}  // namespace ingot
