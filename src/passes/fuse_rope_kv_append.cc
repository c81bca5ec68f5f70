#include <unordered_map>

#include "passes/contract/pass_def.h"

namespace ingot {
namespace pass_fuse_rope_kv_append {

// The rope that makes `value`, read by nobody else; nullptr otherwise.
Node* sole_rope(Graph& graph, int value) {
  Node* node = graph.at(value).producer;
  if (!node || node->op != "rope" || graph.is_output(value)) return nullptr;
  return graph.sole_consumer(value) ? node : nullptr;
}

// A rope of the queries that attend to the cache written by `append`.
Node* query_rope(Graph& graph, const Node& append, const Node& key_rope) {
  for (Node* attention : graph.consumers(append.outputs[0])) {
    if (attention->op != "paged_attention") continue;
    Node* rope = sole_rope(graph, attention->inputs[0]);
    const bool alike = rope && rope->attrs == key_rope.attrs &&
                       rope->inputs[1] == key_rope.inputs[1] &&
                       rope->inputs[2] == key_rope.inputs[2];
    if (alike) return rope;
  }
  return nullptr;
}

int run(Graph& graph) {
  int changes = 0;
  // Fused nodes are new and are no ropes, so the places found now stay true.
  std::unordered_map<const Node*, size_t> place;
  for (const Node& node : graph.nodes()) place.emplace(&node, place.size());
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    Node* k = it->op == "kv_append" ? sole_rope(graph, it->inputs[0]) : nullptr;
    Node* q = k ? query_rope(graph, *it, *k) : nullptr;
    // The queries must be rotated before the append, where the fused node will stand.
    const bool before = q && place.at(q) < place.at(&*it);
    if (!before || k->inputs[1] != it->inputs[4]) {
      ++it;
      continue;
    }
    graph.set_insertion_point(it);
    graph.set_origin(it->origin);
    const std::vector<int> fused =
        graph.emit_many("rope_kv_append", k->attrs,
                        {q->inputs[0], k->inputs[0], it->inputs[1], it->inputs[2], it->inputs[3],
                         it->inputs[4], it->inputs[5], it->inputs[6], k->inputs[2]},
                        3);
    graph.clear_insertion_point();
    graph.supersede(q->outputs[0], fused[0]);
    graph.supersede(it->outputs[0], fused[1]);
    graph.supersede(it->outputs[1], fused[2]);
    graph.erase(graph.position(q));
    graph.erase(graph.position(k));
    it = graph.erase(it);
    ++changes;
  }
  return changes;
}

}  // namespace pass_fuse_rope_kv_append

// rope(q), rope(k), kv_append -> rope_kv_append.
const PassDef& fuse_rope_kv_append_pass() {
  using namespace pass_fuse_rope_kv_append;
  static const PassDef pass = {"fuse_rope_kv_append", run};
  return pass;
}

}  // namespace ingot
