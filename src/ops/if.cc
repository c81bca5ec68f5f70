// Runs one of two bodies. Inputs: condition (one bool), captures that both bodies take. Results
// whose two sizes differ get a symbol that is set when the branch has run.
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_if {

struct IfAttrs {
  int64_t then_graph = 0;
  int64_t else_graph = 0;
  std::string prefix;  // of the symbols of results whose sizes differ
  template <typename V>
  void fields(V& v) {
    v("then_graph", then_graph);
    v("else_graph", else_graph);
    v("prefix", prefix);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto a = read_attrs<IfAttrs>(args.attrs, "ops/if");
  ops::require_bool(args, 0);
  std::vector<ValueType> out = args.graph_outputs(a.then_graph);
  const std::vector<ValueType> other = args.graph_outputs(a.else_graph);
  if (out.size() != other.size()) args.bad("the branches differ in their number of results");
  for (size_t i = 0; i < out.size(); ++i) {
    if (!(out[i].element == other[i].element) || out[i].shape.size() != other[i].shape.size()) {
      args.bad(fmt::format("result {} is {} in one branch and {} in the other", i,
                           type_text(out[i]), type_text(other[i])));
    }
    for (size_t d = 0; d < out[i].shape.size(); ++d) {
      if (out[i].shape[d] == other[i].shape[d]) continue;
      out[i].shape[d] = Dim::symbol(fmt::format("{}_{}_{}", a.prefix, i, d));
    }
  }
  return out;
}

std::vector<int> import_if(const OnnxNode& node, OpEmitter& emitter) {
  const auto then_graph = node.graphs.find("then_branch");
  const auto else_graph = node.graphs.find("else_branch");
  if (then_graph == node.graphs.end() || else_graph == node.graphs.end()) {
    node.unsupported("a branch is missing");
  }
  IfAttrs a{then_graph->second, else_graph->second, fmt::format("if{}", node.serial)};
  return emitter.emit_many("if", write_attrs(a), node.inputs, node.outputs);
}

}  // namespace op_if

const OpDef& if_op() {
  using namespace op_if;
  static const OpDef op = {
      .name = "if", .onnx = {{"", "If", 1, &import_if}}, .infer = &infer, .control_flow = true};
  return op;
}

}  // namespace ingot
