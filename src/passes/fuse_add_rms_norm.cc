#include <unordered_map>

#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_fuse_add_rms_norm {

bool same_shape(const Graph& graph, const Node& add) {
  return graph.type(add.inputs[0]) == graph.type(add.inputs[1]) &&
         graph.type(add.inputs[0]) == graph.type(add.outputs[0]);
}

int run(Graph& graph) {
  int changes = 0;
  // The last norm of each value. Rewrites only move norms to outputs of fused nodes, which are no
  // additions, so the index stays true.
  std::unordered_map<int, Node*> norms;
  for (Node& node : graph.nodes()) {
    if (node.op == "rms_norm") norms[node.inputs[0]] = &node;
  }
  for (auto it = graph.nodes().begin(); it != graph.nodes().end(); ++it) {
    if (it->op != "add" || !same_shape(graph, *it)) continue;
    const auto found = norms.find(it->outputs[0]);
    if (found == norms.end()) continue;
    Node* norm = found->second;
    // The fused node stands where the addition stood; the weight is defined everywhere.
    if (graph.at(norm->inputs[1]).kind != Value::Kind::kWeight) continue;
    graph.set_insertion_point(it);
    graph.set_origin(norm->origin);
    const std::vector<int> fused = graph.emit_many(
        "add_rms_norm", norm->attrs, {it->inputs[0], it->inputs[1], norm->inputs[1]}, 2);
    graph.clear_insertion_point();
    graph.supersede(it->outputs[0], fused[0]);
    graph.supersede(norm->outputs[0], fused[1]);
    graph.erase(graph.position(norm));
    it = graph.erase(it);
    --it;
    ++changes;
  }
  return changes;
}

}  // namespace pass_fuse_add_rms_norm

// add + rms_norm -> add_rms_norm, keeping the sum for the residual path.
const PassDef& fuse_add_rms_norm_pass() {
  using namespace pass_fuse_add_rms_norm;
  static const PassDef pass = {"fuse_add_rms_norm", run};
  return pass;
}

}  // namespace ingot
