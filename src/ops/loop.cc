// Repeats a body. Inputs: trip count (int64, optional), condition (bool, optional), carried...,
// captures...; the body takes iteration, condition, carried..., captures... and gives condition,
// carried..., scans.... Scans are stacked along a new axis 0 whose size is a symbol that is set
// when the loop has run; so are carried sizes that change from one iteration to the next.
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_loop {

struct LoopAttrs {
  int64_t body_graph = 0;
  int64_t carried = 0;
  std::string prefix;  // of the symbols of sizes known only afterwards
  template <typename V>
  void fields(V& v) {
    v("body_graph", body_graph);
    v("carried", carried);
    v("prefix", prefix);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto a = read_attrs<LoopAttrs>(args.attrs, "ops/loop");
  const auto carried = static_cast<size_t>(a.carried);
  const std::vector<ValueType> body = args.graph_outputs(a.body_graph);
  if (a.carried < 0 || args.inputs.size() < 2 + carried || body.size() < 1 + carried) {
    args.bad(fmt::format("{} carried values, {} inputs, {} body results", a.carried,
                         args.inputs.size(), body.size()));
  }
  if (args.inputs[0] && args.inputs[0]->element.dtype != DType::kInt64) args.bad("trip count type");
  if (args.inputs[1] && args.inputs[1]->element.dtype != DType::kBool) args.bad("condition type");
  if (body[0].element.dtype != DType::kBool) args.bad("the body's condition is not bool");
  std::vector<ValueType> out;
  for (size_t i = 0; i < carried; ++i) {
    ValueType type = args.input(2 + i);
    if (!(type.element == body[1 + i].element) || type.shape.size() != body[1 + i].shape.size()) {
      args.bad(fmt::format("carried value {} is {} before and {} after an iteration", i,
                           type_text(type), type_text(body[1 + i])));
    }
    for (size_t d = 0; d < type.shape.size(); ++d) {
      if (type.shape[d] == body[1 + i].shape[d]) continue;
      type.shape[d] = Dim::symbol(fmt::format("{}_{}_{}", a.prefix, i, d));
    }
    out.push_back(type);
  }
  for (size_t i = 1 + carried; i < body.size(); ++i) {
    ValueType type = body[i];
    type.shape.insert(type.shape.begin(), Dim::symbol(a.prefix + "_trips"));
    out.push_back(type);
  }
  return out;
}

std::vector<int> import_loop(const OnnxNode& node, OpEmitter& emitter) {
  const auto body = node.graphs.find("body");
  if (body == node.graphs.end()) node.unsupported("the body is missing");
  const size_t own = node.inputs.size() - node.captures;
  if (own < 2) node.unsupported("trip count and condition are missing");
  LoopAttrs a{body->second, static_cast<int64_t>(own) - 2, fmt::format("loop{}", node.serial)};
  return emitter.emit_many("loop", write_attrs(a), node.inputs, node.outputs);
}

}  // namespace op_loop

const OpDef& loop_op() {
  using namespace op_loop;
  static const OpDef op = {.name = "loop",
                           .onnx = {{"", "Loop", 1, &import_loop}},
                           .infer = &infer,
                           .control_flow = true};
  return op;
}

}  // namespace ingot
